//! JSON bodies: their fields, and the problems with them in pydantic's words.

use std::str::from_utf8;

use serde_json::{Map, Value, json};

use super::{Field, Header, Nullable, Problem, Problems, Request};
use crate::Error;

/// A JSON object. Its fields are read one by one.
pub struct Fields<'a> {
    object: Map<String, Value>,
    problems: &'a mut Problems,
}

impl<'a> Fields<'a> {
    /// The object in the body of a request. If there is none, `None`, and `problems` has the reason.
    pub fn read(request: &Request, problems: &'a mut Problems) -> Option<Self> {
        match object(request) {
            Ok(Ok(object)) => Some(Self { object, problems }),
            Ok(Err(problem)) => {
                problems.push(problem);
                None
            }
            Err(error) => {
                problems.fail_with(error);
                None
            }
        }
    }

    /// The object in a body that may be absent. An empty body and null count as an object without fields. Any other
    /// body must be valid.
    pub fn read_optional(request: &Request, problems: &'a mut Problems) -> Option<Self> {
        let is_absent = request.body().is_ok_and(|body| ["", "null"].map(str::as_bytes).contains(&body.trim_ascii()));
        if is_absent { Some(Self { object: Map::new(), problems }) } else { Self::read(request, problems) }
    }

    /// A field that must be present. When it is missing or wrong, `None`, and a problem is added.
    pub fn required<T: Field>(&mut self, name: &'static str) -> Option<T> {
        let field = self.optional(name)?;
        if field.is_none() {
            let whole = Value::Object(self.object.clone());
            self.problems.push(Problem::missing(json!(["body", name]), whole));
        }
        field
    }

    /// A field that may be absent but not null. When it is wrong, `None`, and a problem is added.
    pub fn optional<T: Field>(&mut self, name: &'static str) -> Option<Option<T>> {
        let Some(value) = self.object.get(name) else { return Some(None) };
        let parsed = T::parse(value, json!(["body", name]));
        self.problems.take(parsed).map(Some)
    }

    /// A field that may be absent or null. When it is wrong, `None`, and a problem is added.
    pub fn nullable<T: Field>(&mut self, name: &'static str) -> Option<Nullable<T>> {
        if self.object.get(name).is_some_and(Value::is_null) {
            return Some(Nullable::Null);
        }
        self.optional(name).map(|field| field.map_or(Nullable::Absent, Nullable::Value))
    }
}

/// The body of a request. [`body!`] implements it.
pub(crate) trait Body {
    /// The fields that were sent and are not null. So a field that the type gets in a later release does not change
    /// this for requests without the field, and an idempotency key stands for the same request before and after.
    fn sent(&self) -> Map<String, Value>;
}

/// The JSON of a field of a body, or `None` when the field is absent or null.
pub(crate) trait Sent {
    fn sent(&self) -> Option<Value>;
}

impl<T: Field> Sent for T {
    fn sent(&self) -> Option<Value> {
        Some(self.to_json())
    }
}

impl<T: Field> Sent for Option<T> {
    fn sent(&self) -> Option<Value> {
        self.as_ref().map(Field::to_json)
    }
}

impl<T: Field> Sent for Nullable<T> {
    fn sent(&self) -> Option<Value> {
        self.value().map(Field::to_json)
    }
}

/// Defines the type of a body: the struct, the code that reads it from a request, and its description in
/// `/openapi.json`. Each field is `required`, `optional` (absent or a value) or `nullable` (absent, null or a
/// value), has a type that implements [`Field`], and has an example for the description. For a body that may be
/// absent, write `read_optional` instead of `read`: see [`Fields`].
macro_rules! body {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident: $read:ident { $($kind:ident $field:ident: $type:ty = $example:expr),* $(,)? }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub struct $name { $($field: $crate::http::body_field!($kind $type)),* }

        impl $crate::http::Input for $name {
            fn read(request: &$crate::http::Request, problems: &mut $crate::http::Problems) -> Option<Self> {
                let mut fields = $crate::http::Fields::$read(request, problems)?;
                // Reads all fields before it returns, so that every problem is found.
                $(let $field = fields.$kind(stringify!($field));)*
                Some(Self { $($field: $field?),* })
            }

            #[cfg(feature = "openapi")]
            fn describe(operation: &mut $crate::openapi::Operation) {
                match stringify!($read) {
                    "read" => operation.body::<Self>(true),
                    _ => operation.body::<Option<Self>>(false),
                }
            }
        }

        impl $crate::http::Body for $name {
            fn sent(&self) -> serde_json::Map<String, serde_json::Value> {
                let fields = [$((stringify!($field), $crate::http::Sent::sent(&self.$field))),*];
                fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
            }
        }

        #[cfg(feature = "openapi")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::openapi::object(concat!($($doc),*).trim(), &[$((
                    stringify!($field),
                    stringify!($kind) == "required",
                    $crate::openapi::$kind::<$type>(generator),
                    serde_json::json!($example),
                )),*])
            }
        }
    };
}
pub(crate) use body;

/// The type of a field of a [`body!`].
macro_rules! body_field {
    (required $type:ty) => { $type };
    (optional $type:ty) => { Option<$type> };
    (nullable $type:ty) => { $crate::http::Nullable<$type> };
}
pub(crate) use body_field;

/// The object in the body. The inner error is one problem of several that are reported together. The outer error is
/// reported alone.
fn object(request: &Request) -> crate::Result<Result<Map<String, Value>, Problem>> {
    let body = request.body()?;
    if body.is_empty() {
        return Ok(Err(Problem::missing(json!(["body"]), Value::Null)));
    }
    let text = from_utf8(&body).map_err(|_| Error::UnreadableBody)?;
    // RFC 8259, section 8.1: a byte order mark may be ignored, and some editors and libraries add one.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = if request.header(Header::ContentType).is_some_and(is_json) {
        serde_json::from_str(text).map_err(|error| Error::Invalid(vec![malformed(text, &error)]))?
    } else {
        Value::from(text)
    };
    Ok(match value {
        Value::Object(object) => Ok(object),
        other => {
            let message = "Input should be a valid dictionary or object to extract fields from";
            Err(Problem::new("model_attributes_type", json!(["body"]), message, other))
        }
    })
}

/// Whether a media type is `application/json` or `application/*+json`, with any parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_subtype = |subtype: &str| subtype == "json" || (subtype.ends_with("+json") && subtype.len() > 5);
    essence.strip_prefix("application/").is_some_and(is_subtype)
}

/// The problem of a body that is not JSON. Its message says what was expected, and quotes nothing of the body.
fn malformed(text: &str, error: &serde_json::Error) -> Problem {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let position = if error.is_eof() { text.len() } else { before + error.column().saturating_sub(1) };
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    Problem::new("json_invalid", json!(["body", position]), "JSON decode error", json!({}))
        .with(json!({ "error": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_media_types() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in
            ["", "json", "text/json", "application/jsonx", "application/json-seq", "application/json,text/plain"]
        {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn position_of_malformed_json_counts_from_the_start() {
        let text = "{\n  \"a\": x}";
        let error = serde_json::from_str::<Value>(text).unwrap_err();
        assert_eq!(json!(malformed(text, &error))["loc"], json!(["body", 9]));
    }
}
