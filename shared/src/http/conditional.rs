//! Conditional requests ([RFC 9110, section 13](https://www.rfc-editor.org/rfc/rfc9110#section-13)).

use serde::Serialize;
#[cfg(feature = "openapi")]
use serde_json::json;

use super::{Header, Input, Problems, Request};
#[cfg(feature = "openapi")]
use crate::openapi::ErrorResponse;

/// A resource with a version. Each version has its own entity tag.
pub trait Versioned: Serialize {
    /// The version.
    fn version(&self) -> Version;
}

/// The version of a resource: a number that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub i64);

impl Version {
    /// The entity tag, which is strong: equal tags mean equal bytes.
    pub(super) fn tag(self) -> String {
        format!("\"{:x}\"", self.0)
    }

    /// The version that a tag stands for. `None` for a weak tag, and for a tag that this API did not make.
    fn from_etag(tag: &str) -> Option<Self> {
        let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
        let version = Self(i64::from_str_radix(digits, 16).ok()?);
        (version.tag() == tag).then_some(version)
    }
}

/// The versions that a change may be made to (`If-Match`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Any version.
    Any,
    /// One of these.
    Versions(Vec<Version>),
}

impl IfMatch {
    /// The versions, or `None` if any version will do.
    #[must_use]
    pub fn versions(&self) -> Option<&[Version]> {
        if let Self::Versions(versions) = self { Some(versions) } else { None }
    }
}

impl Input for IfMatch {
    fn read(request: &Request, _: &mut Problems) -> Option<Self> {
        Some(match request.header(Header::IfMatch).map(str::trim) {
            None | Some("*") => Self::Any,
            Some(tags) => Self::Versions(tags.split(',').filter_map(|tag| Version::from_etag(tag.trim())).collect()),
        })
    }

    #[cfg(feature = "openapi")]
    fn describe(operation: &mut crate::openapi::Operation) {
        operation.header(
            "If-Match",
            "The versions that the change is meant for: 412 when the task has another version by now.",
            &json!({ "type": "string" }),
        );
        operation.fails_with(ErrorResponse::PreconditionFailed);
    }
}

/// Whether the client has this version already (`If-None-Match`). Weak tags count too.
pub(super) fn is_known(request: &Request, version: Version) -> bool {
    let tags = request.header(Header::IfNoneMatch).unwrap_or_default().split(',').map(str::trim);
    tags.into_iter().any(|tag| tag == "*" || Version::from_etag(tag.strip_prefix("W/").unwrap_or(tag)) == Some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_written() {
        for version in [0, 1, 1_704_164_645_123_456] {
            assert_eq!(Version::from_etag(&Version(version).tag()), Some(Version(version)));
        }
        for other in ["", "1", "\"", "\"\"", "\"x\"", "W/\"1\"", "\"+1\"", "\"01\"", "\"A\"", "\"1\" ", "\"-1\""] {
            assert_eq!(Version::from_etag(other), None, "{other}");
        }
    }
}
