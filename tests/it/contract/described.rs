//! Checks that `openapi.json` describes an answer.

use std::collections::HashMap;

use jsonschema::Validator;
use serde_json::{Value, json};
use tests::{Api, Request, Response};

/// The description of the API, with a validator for every answer in it.
pub struct Description {
    document: Value,
    validators: HashMap<String, Validator>,
}

impl Description {
    /// Reads the description that an API serves.
    pub async fn read(api: &Api) -> Self {
        let document = api.send(Request::new("GET", "/openapi.json")).await.json();
        // Clients must accept additional fields, but this test does not: a field without a description is a problem.
        let mut schemas = document["components"]["schemas"].clone();
        for schema in schemas.as_object_mut().expect("schemas").values_mut() {
            if schema["type"] == "object" && !schema["properties"].is_null() {
                schema["additionalProperties"] = false.into();
            }
        }
        let mut validators = HashMap::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                for (status, response) in operation["responses"].as_object().expect("responses") {
                    let response = match response["$ref"].as_str() {
                        Some(reference) => &document.pointer(&reference[1..]).expect("a response")["content"],
                        None => &response["content"],
                    };
                    let mut schema = response["application/json"]["schema"].clone();
                    if schema.is_null() {
                        continue;
                    }
                    // The schema's references point into the document.
                    schema["components"] = json!({ "schemas": schemas });
                    let validator = jsonschema::validator_for(&schema).expect("a schema");
                    validators.insert(format!("{} {path} {status}", method.to_uppercase()), validator);
                }
            }
        }
        assert!(validators.len() > 50);
        Self { document, validators }
    }

    /// Why the description does not cover a route's answer. `None` if it does, or if the request has no route.
    pub fn problem(&self, request: &Request, response: &Response) -> Option<String> {
        let path = request.target.split('?').next().unwrap_or_default();
        let fits = |pattern: &str| {
            let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
            let (pattern, path) = (segments(pattern), segments(path));
            pattern.len() == path.len()
                && pattern
                    .iter()
                    .zip(&path)
                    .all(|(one, other)| one == other || (one.starts_with('{') && !other.is_empty()))
        };
        let method = request.method.to_lowercase();
        let paths = self.document["paths"].as_object().expect("paths");
        let patterns = paths.iter().filter(|(pattern, operations)| fits(pattern) && operations.get(&method).is_some());
        let (pattern, _) = patterns.min_by_key(|(pattern, _)| pattern.matches('{').count())?;
        let key = format!("{} {pattern} {}", request.method, response.status);
        let Some(validator) = self.validators.get(&key) else { return Some(format!("openapi.json has no {key}")) };
        let body = response.json();
        let error = validator.validate(&body).err()?;
        Some(format!("openapi.json has another {key}: {error}"))
    }
}
