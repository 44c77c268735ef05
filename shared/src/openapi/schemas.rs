//! JSON Schemas of the API's types, with the bounds of the types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Text, auth::UserId};

/// A part of the place of a problem: the name of a field, or the position in a text.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum NameOrIndex {
    /// The name of a field or parameter.
    Name(String),
    /// A position.
    Index(usize),
}

/// The pattern of a text that Postgres can store.
pub(crate) const WITHOUT_NUL: &str = r"^[^\u0000]*$";

impl<const MIN: usize, const MAX: usize> JsonSchema for Text<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": MIN, "maxLength": MAX, "pattern": WITHOUT_NUL })
    }
}

/// The id of a user. [`crate::Description`] replaces this schema when a deployment has other ids.
impl JsonSchema for UserId {
    fn schema_name() -> Cow<'static, str> {
        "UserId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "format": "int32", "examples": [1] })
    }
}

/// The schema of a field that must be present.
pub(crate) fn required<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of a field that may be absent but not null.
pub(crate) fn optional<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of a field that may be absent or null.
pub(crate) fn nullable<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Option<T>>()
}

/// The schema of an object. Each field has a name, whether it is required, a schema and an example.
pub(crate) fn object(description: &str, fields: &[(&str, bool, Schema, Value)]) -> Schema {
    let properties = fields.iter().map(|(name, _, schema, example)| {
        let mut schema = schema.clone();
        schema.insert("examples".into(), json!([example]));
        ((*name).to_owned(), schema.to_value())
    });
    let properties: Map<_, _> = properties.collect();
    let required: Vec<_> = fields.iter().filter(|(_, is_required, ..)| *is_required).map(|(name, ..)| *name).collect();
    let mut schema = json_schema!({ "type": "object", "description": description, "properties": properties });
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema
}

/// The headers of answers, by component name.
pub(super) fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id of this request in the log.",
            "schema": { "type": "string" },
        },
        "Link": {
            "description": "The next page as `<path>; rel=\"next\"`; absent on the last one.",
            "schema": { "type": "string" },
        },
        "ETag": {
            "description": "The version of the task, for `If-Match` and `If-None-Match`.",
            "schema": { "type": "string" },
        },
        "IdempotentReplayed": {
            "description": "`true` when the same request with this key was answered before; absent otherwise.",
            "schema": { "type": "string", "const": "true" },
        },
        "Location": {
            "description": "The path of the new task.",
            "schema": { "type": "string" },
        },
        "RetryAfter": {
            "description": "Seconds to wait before another attempt.",
            "schema": { "type": "integer" },
        },
    })
}
