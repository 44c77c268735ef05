//! One operation of the description.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::ErrorResponse;
use crate::http::{Input, Response};

/// An operation: the parameters and body that the handler's input types read, and the answers. It is filled step by
/// step.
pub struct Operation<'a> {
    generator: &'a mut SchemaGenerator,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    responses: Map<String, Value>,
}

impl<'a> Operation<'a> {
    /// An operation without parameters and without a success answer.
    pub(super) fn new(generator: &'a mut SchemaGenerator) -> Self {
        let mut operation = Self {
            generator,
            tag: "",
            summary: "",
            description: "",
            parameters: Vec::new(),
            body: None,
            responses: Map::new(),
        };
        operation.fails_with(ErrorResponse::Failed);
        operation
    }

    /// Sets the tag and the summary.
    pub(super) fn about(mut self, tag: &'static str, summary: &'static str) -> Self {
        (self.tag, self.summary) = (tag, summary);
        self
    }

    /// Sets the description, which says more than the summary.
    pub(super) fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Adds what `T` reads from the request.
    pub(super) fn takes<T: Input>(mut self) -> Self {
        T::describe(&mut self);
        self
    }

    /// Adds success: a `T` as JSON, with these headers and the request's id.
    pub(super) fn answers<T: JsonSchema>(mut self, what: &str, headers: &[&str]) -> Self {
        self.success::<T>(Response::OK, what, headers);
        self
    }

    /// Adds success: a new `T` as JSON, with these headers and the request's id.
    pub(super) fn creates<T: JsonSchema>(mut self, what: &str, headers: &[&str]) -> Self {
        self.success::<T>(Response::CREATED, what, headers);
        self
    }

    /// Adds success: an HTML page.
    pub(super) fn answers_html(mut self, what: &str) -> Self {
        self.response(Response::OK, what, &[], &json!({ "text/html": { "schema": { "type": "string" } } }));
        self
    }

    fn success<T: JsonSchema>(&mut self, status: u16, what: &str, headers: &[&str]) {
        let schema = self.generator.subschema_for::<T>();
        self.response(status, what, headers, &json!({ "application/json": { "schema": schema } }));
    }

    fn response(&mut self, status: u16, what: &str, headers: &[&str], content: &Value) {
        let headers: Map<_, _> = ["RequestId"].iter().chain(headers).map(|name| header(name)).collect();
        let response = json!({ "description": what, "headers": headers, "content": content });
        self.responses.insert(status.to_string(), response);
    }

    /// Adds an error that the operation may answer with.
    pub fn fails_with(&mut self, error: ErrorResponse) -> &mut Self {
        let reference = json!({ "$ref": format!("#/components/responses/{}", error.name()) });
        self.responses.insert(error.status().to_string(), reference);
        self
    }

    /// As [`Operation::fails_with`], for a chain of calls.
    pub(super) fn or_fails_with(mut self, error: ErrorResponse) -> Self {
        self.fails_with(error);
        self
    }

    /// Adds a parameter of the path, and the error for a bad value.
    pub fn in_path(&mut self, name: &str, description: &str, schema: &Value) {
        let schema = json!({
            "name": name, "in": "path", "required": true, "description": description, "schema": schema,
        });
        self.parameters.push(schema);
        self.fails_with(ErrorResponse::Invalid);
    }

    /// Adds a parameter of the query, and the error for a bad value.
    pub fn query(&mut self, name: &str, description: &str, schema: &Value) {
        self.parameters.push(json!({ "name": name, "in": "query", "description": description, "schema": schema }));
        self.fails_with(ErrorResponse::Invalid);
    }

    /// Adds a header of the request.
    pub fn header(&mut self, name: &str, description: &str, schema: &Value) {
        self.parameters.push(json!({ "name": name, "in": "header", "description": description, "schema": schema }));
    }

    /// Adds the body, and the errors for a bad body.
    pub fn body<T: JsonSchema>(&mut self, is_required: bool) {
        let schema = self.generator.subschema_for::<T>();
        self.body = Some(json!({ "required": is_required, "content": { "application/json": { "schema": schema } } }));
        let errors = [ErrorResponse::UnreadableBody, ErrorResponse::BodyTooLarge, ErrorResponse::Invalid];
        for error in errors {
            self.fails_with(error);
        }
    }

    /// The operation in OpenAPI's format.
    pub(super) fn into_json(self, id: &str) -> Value {
        let optional = [
            ("description", (!self.description.is_empty()).then(|| self.description.into())),
            ("parameters", (!self.parameters.is_empty()).then(|| self.parameters.into())),
            ("requestBody", self.body),
        ];
        let mut operation = json!({
            "operationId": id, "tags": [self.tag], "summary": self.summary, "responses": self.responses,
        });
        if let Some(operation) = operation.as_object_mut() {
            operation.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        operation
    }
}

/// A header of an answer. `component` is the header's name without hyphens.
pub(super) fn header(component: &str) -> (String, Value) {
    let name = match component {
        "RequestId" => "x-request-id",
        "IdempotentReplayed" => "idempotent-replayed",
        "RetryAfter" => "retry-after",
        other => &other.to_lowercase(),
    };
    (name.to_owned(), json!({ "$ref": format!("#/components/headers/{component}") }))
}
