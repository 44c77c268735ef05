//! The `Idempotency-Key` of a request
//! ([draft of the IETF](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)).

use serde_json::json;

use super::{Header, Input, Problem, Problems, Request};
use crate::Error;

const HEADER: &str = "idempotency-key";

/// The maximum length of a key, in characters.
const MAX_LENGTH: usize = 255;

/// The client's name for a request that it may send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key itself: 1 to 255 visible ASCII characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The error for a key that was sent before, with another request.
    #[must_use]
    pub fn reused_error(&self) -> Error {
        Error::Invalid(vec![problem("the key was sent with another body before", &self.0)])
    }
}

impl Input for Option<IdempotencyKey> {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let Some(key) = request.header(Header::IdempotencyKey).map(str::trim) else { return Some(None) };
        if key.is_empty() || key.len() > MAX_LENGTH || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            problems.push(problem("the key must have 1 to 255 visible ASCII characters", key));
            return None;
        }
        Some(Some(IdempotencyKey(key.to_owned())))
    }

    #[cfg(feature = "openapi")]
    fn describe(operation: &mut crate::openapi::Operation) {
        operation.header(
            "Idempotency-Key",
            "The client's name for this request. Sent again with the same key within a day, it gets the first answer.",
            &json!({ "type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[!-~]+$" }),
        );
    }
}

fn problem(rule: &'static str, key: &str) -> Problem {
    Problem::value(json!(["header", HEADER]), rule, key.into())
}
