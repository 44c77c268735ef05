//! Bodies that are the same in every answer.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A body as the JSON string that Lambda sends to API Gateway. The string is made once, because escaping or encoding
/// 2 MB, the page of the documentation, would take long in every call.
#[derive(Debug, Clone, Copy)]
pub struct ConstantBody {
    json: &'static RawValue,
    is_base64: bool,
}

impl ConstantBody {
    /// A body of text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { json: Box::leak(to_json(text)), is_base64: false }
    }

    /// A text that the build has made a JSON string. Empty if it is not one.
    #[must_use]
    pub fn of_json(json: &'static str) -> Self {
        let parsed: Result<&RawValue, _> = serde_json::from_str(json);
        Self { json: parsed.unwrap_or_else(|_| Box::leak(to_json(""))), is_base64: false }
    }

    /// Bytes in base64 that the build has made a JSON string. Empty if it is not one.
    #[must_use]
    pub fn of_base64_json(json: &'static str) -> Self {
        Self { is_base64: true, ..Self::of_json(json) }
    }

    /// Whether the body is bytes in base64.
    pub(super) fn is_base64(self) -> bool {
        self.is_base64
    }
}

/// A text as a JSON string. This cannot fail.
fn to_json(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).unwrap_or_default()
}

impl Serialize for ConstantBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}
