//! One thing that is wrong with a request, in the shape of a FastAPI 422.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

/// Where a problem is: a JSON array such as `["body", "title"]`.
pub type Loc = Value;

/// One entry of a 422's `detail`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Problem {
    /// The kind of problem, as pydantic names it.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schemars(example = &"missing"))]
    kind: &'static str,
    /// Where it is.
    #[cfg_attr(feature = "openapi", schemars(with = "Vec<crate::openapi::NameOrIndex>", example = ["body", "title"]))]
    loc: Loc,
    #[cfg_attr(feature = "openapi", schemars(example = &"Field required"))]
    msg: Cow<'static, str>,
    /// What was sent there.
    input: Value,
    /// The bound that was crossed, or the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(with = "std::collections::BTreeMap<String, Value>"))]
    ctx: Option<Value>,
}

impl Problem {
    /// A problem of pydantic's type `kind` at `loc` with `input`.
    #[must_use]
    pub fn new(kind: &'static str, loc: Value, msg: impl Into<Cow<'static, str>>, input: Value) -> Self {
        Self { kind, loc, msg: msg.into(), input, ctx: None }
    }

    /// Adds the bound or the cause that the message mentions.
    #[must_use]
    pub fn with(self, ctx: Value) -> Self {
        Self { ctx: Some(ctx), ..self }
    }

    /// The problem of a field that is required but missing.
    pub(crate) fn missing(loc: Loc, input: Value) -> Self {
        Self::new("missing", loc, "Field required", input)
    }

    /// The problem of a string that is not an integer.
    pub(crate) fn integer(loc: Loc, input: &str) -> Self {
        let message = "Input should be a valid integer, unable to parse string as an integer";
        Self::new("int_parsing", loc, message, input.into())
    }

    /// The problem of a value that breaks a rule of this API's own.
    pub(crate) fn value(loc: Loc, rule: &'static str, input: Value) -> Self {
        Self::new("value_error", loc, format!("Value error, {rule}"), input).with(json!({ "error": rule }))
    }

    /// The problem of a text with a NUL, which Postgres cannot store.
    pub(crate) fn nul(loc: Loc, input: Value) -> Self {
        Self::value(loc, "text cannot contain the NUL character", input)
    }
}
