//! The headers of a request that this API reads.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The headers that the request after a preflight will send.
    AccessControlRequestHeaders,
    /// The method that the request after a preflight will use.
    AccessControlRequestMethod,
    /// The compression that the client accepts.
    AcceptEncoding,
    /// The bearer token.
    Authorization,
    /// The media type of the body.
    ContentType,
    /// The client's key for a create that it may send again.
    IdempotencyKey,
    /// The versions that the change is meant for.
    IfMatch,
    /// The versions that the client has.
    IfNoneMatch,
    /// The page that a browser's request comes from.
    Origin,
    /// The trace that a request belongs to (W3C Trace Context).
    TraceParent,
}

const NAMES: [(&str, Header); 10] = [
    ("access-control-request-headers", Header::AccessControlRequestHeaders),
    ("access-control-request-method", Header::AccessControlRequestMethod),
    ("accept-encoding", Header::AcceptEncoding),
    ("authorization", Header::Authorization),
    ("content-type", Header::ContentType),
    ("idempotency-key", Header::IdempotencyKey),
    ("if-match", Header::IfMatch),
    ("if-none-match", Header::IfNoneMatch),
    ("origin", Header::Origin),
    ("traceparent", Header::TraceParent),
];

impl Header {
    /// The header with this name, in any case (RFC 9110, section 5.1).
    fn of_name(name: &str) -> Option<Self> {
        NAMES.into_iter().find_map(|(known, header)| known.eq_ignore_ascii_case(name).then_some(header))
    }
}

/// The headers of a request, without those that this API does not read.
#[derive(Debug, Default)]
pub(super) struct Headers(Vec<(Header, String)>);

impl Headers {
    /// The value of a header. API Gateway joins the values of repeated headers with commas.
    pub(super) fn get(&self, header: Header) -> Option<&str> {
        self.0.iter().find_map(|(other, value)| (*other == header).then_some(value.as_str()))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(All)
    }
}

struct All;

impl<'de> Visitor<'de> for All {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Headers::default();
        while let Some(Name(header)) = map.next_key()? {
            match header {
                Some(header) => headers.0.push((header, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(headers)
    }
}

/// The name of a header, or `None` if this API does not read the header.
struct Name(Option<Header>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OneName)
    }
}

struct OneName;

impl Visitor<'_> for OneName {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the name of a header")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(Header::of_name(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_known_in_any_case_and_others_are_not_kept() {
        let json = r#"{"Authorization":"a","x-other":5,"if-none-match":"b","Accept":"c"}"#;
        let headers: Headers = serde_json::from_str(json).unwrap();
        assert_eq!(headers.0.len(), 2);
        assert_eq!(headers.get(Header::Authorization), Some("a"));
        assert_eq!(headers.get(Header::IfNoneMatch), Some("b"));
        assert_eq!(headers.get(Header::IfMatch), None);
        assert!(serde_json::from_str::<Headers>(r#"{"origin":5}"#).is_err());
    }
}
