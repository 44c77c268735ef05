//! An answer, in the format of API Gateway.

use std::borrow::Cow;

use lambda_http::Body;
use serde::{Serialize, Serializer};
#[cfg(feature = "openapi")]
use serde_json::Value;
#[cfg(test)]
use serde_json::json;

use super::{
    ConstantBody, Request,
    conditional::{Versioned, is_known},
};

/// An answer. Serialized, it is
/// [what API Gateway expects](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html#http-api-develop-integrations-lambda.response).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    #[serde(rename = "statusCode")]
    status: u16,
    #[serde(serialize_with = "sendable")]
    headers: Vec<(&'static str, Cow<'static, str>)>,
    is_base64_encoded: bool,
    body: AnyBody,
    /// Always empty. `cargo lambda watch` refuses an answer without the field.
    cookies: [&'static str; 0],
}

/// A body that was made for this answer, or a constant body.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum AnyBody {
    Made(Body),
    Constant(ConstantBody),
}

/// A message for people.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Message {
    #[cfg_attr(feature = "openapi", schemars(example = &"Task deleted"))]
    message: &'static str,
}

/// That the API is well.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Health {
    #[cfg_attr(feature = "openapi", schemars(extend("const" = "ok")))]
    status: &'static str,
}

/// The rights of the page of the documentation: to run its own scripts and styles, and to call this API.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One hour, in browsers and proxies, for answers that are the same for everybody and change only with a deployment.
const CACHED: &str = "public, max-age=3600";

/// The maximum number of headers of an answer.
const MAX_HEADERS: usize = 16;

impl Response {
    /// The status of success.
    pub(crate) const OK: u16 = 200;
    /// The status after something was created.
    pub(crate) const CREATED: u16 = 201;
    /// The status for a client that has the version already.
    pub(crate) const NOT_MODIFIED: u16 = 304;

    /// 200 with a body.
    #[must_use]
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(Self::OK, body)
    }

    /// 200 with a message for people.
    #[must_use]
    pub fn message(message: &'static str) -> Self {
        Self::ok(&Message { message })
    }

    /// 200: the API is well.
    #[must_use]
    pub fn health() -> Self {
        Self::ok(&Health { status: "ok" })
    }

    /// 200 with a version of a resource.
    #[must_use]
    pub fn ok_with_etag(body: &impl Versioned) -> Self {
        Self::ok(body).with_etag(body)
    }

    /// 200 with a version of a resource, or 304 if the client has that version.
    #[must_use]
    pub fn ok_or_not_modified(body: &impl Versioned, request: &Request) -> Self {
        if is_known(request, body.version()) {
            Self::empty(Self::NOT_MODIFIED).with_etag(body)
        } else {
            Self::ok_with_etag(body)
        }
    }

    /// 201 with the created resource and its path. `is_replay` adds a header which says that an earlier request with
    /// the same key created it.
    #[must_use]
    pub fn created(request: &Request, path: &str, body: &impl Versioned, is_replay: bool) -> Self {
        let mut response = Self::json(Self::CREATED, body).with_etag(body);
        response.header("location", request.address(path));
        if is_replay {
            response.header("idempotent-replayed", "true");
        }
        response
    }

    fn with_etag(mut self, body: &impl Versioned) -> Self {
        self.header("etag", body.version().tag());
        self
    }

    /// 200 with a body that is JSON already. `next` is the path of the next page.
    #[must_use]
    pub fn page(request: &Request, body: String, next: Option<String>) -> Self {
        let mut response = Self::new(200, "application/json", body);
        if let Some(next) = next {
            // RFC 8288, section 3.
            response.header("link", format!("<{}>; rel=\"next\"", request.address(&next)));
        }
        response
    }

    /// 200 with a JSON document that changes only with a deployment.
    #[must_use]
    pub fn document(body: ConstantBody) -> Self {
        let mut response = Self::constant("application/json", body);
        response.header("cache-control", CACHED);
        response
    }

    /// 200 with an HTML page.
    #[must_use]
    pub fn html(body: ConstantBody) -> Self {
        let mut response = Self::constant("text/html; charset=utf-8", body);
        response.header("content-security-policy", PAGE_POLICY);
        response.header("cache-control", CACHED);
        response.header("vary", "Origin, Accept-Encoding");
        response
    }

    /// 200 with an HTML page that is compressed with gzip.
    #[must_use]
    pub fn html_gzip(body: ConstantBody) -> Self {
        let mut response = Self::html(body);
        response.header("content-encoding", "gzip");
        response
    }

    fn constant(content_type: &'static str, body: ConstantBody) -> Self {
        let mut response = Self::of_body(Self::OK, AnyBody::Constant(body));
        response.header("content-type", content_type);
        response
    }

    /// The answer to a CORS preflight.
    pub(super) fn preflight() -> Self {
        Self::new(200, "text/plain; charset=utf-8", "OK")
    }

    /// 307 to a path.
    pub(super) fn redirect(location: String) -> Self {
        let mut response = Self::empty(307);
        response.header("location", location);
        response
    }

    /// `body` as JSON.
    pub(super) fn json(status: u16, body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self::new(status, "application/json", body),
            // Serializing fails only for a map with keys that are not strings, or in `Serialize` itself. No type
            // here does that.
            Err(_) => Self::new(500, "application/json", r#"{"detail":"Server error"}"#),
        }
    }

    fn empty(status: u16) -> Self {
        Self::of_body(status, AnyBody::Made("".into()))
    }

    fn new(status: u16, content_type: &'static str, body: impl Into<Body>) -> Self {
        let mut response = Self::of_body(status, AnyBody::Made(body.into()));
        response.header("content-type", content_type);
        response
    }

    fn of_body(status: u16, body: AnyBody) -> Self {
        let is_base64_encoded = matches!(&body, AnyBody::Constant(body) if body.is_base64());
        Self { status, headers: Vec::with_capacity(MAX_HEADERS), is_base64_encoded, body, cookies: [] }
    }

    /// Empties the body and keeps the headers, for HEAD (RFC 9110, section 9.3.2).
    pub(crate) fn remove_body(&mut self) {
        self.body = AnyBody::Made("".into());
        self.is_base64_encoded = false;
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the answer means that the API failed.
    pub(crate) fn is_failure(&self) -> bool {
        self.status >= 500
    }

    /// Whether a token was refused.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.status == 401
    }

    /// Sets a header. A header of the same name is replaced.
    pub(crate) fn header(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        let value = value.into();
        match self.headers.iter_mut().find(|(other, _)| *other == name) {
            Some((_, former)) => *former = value,
            None => self.headers.push((name, value)),
        }
    }

    /// The body, which is JSON.
    #[cfg(feature = "openapi")]
    pub(crate) fn body_json(&self) -> Value {
        match &self.body {
            AnyBody::Made(body) => serde_json::from_slice(body).unwrap_or_default(),
            AnyBody::Constant(_) => Value::Null,
        }
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| *other == name)
    }
}

/// Writes the headers as a map. Leaves out values that a header cannot have (RFC 9110, section 5.5), or that are not
/// ASCII.
fn sendable<S: Serializer>(headers: &[(&'static str, Cow<'static, str>)], serializer: S) -> Result<S::Ok, S::Error> {
    let is_sendable = |value: &str| value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    serializer.collect_map(headers.iter().filter(|(_, value)| is_sendable(value)).map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;

    use super::*;

    #[test]
    fn what_is_no_value_of_a_header_is_left_out() {
        let mut response = Response::message("x");
        for (name, value) in [("a", "x\ty ~"), ("b", "x\r\nc: y"), ("d", "é"), ("e", "\u{7f}"), ("f", "")] {
            response.header(name, value);
        }
        let event = serde_json::to_value(&response).unwrap();
        let headers = json!({ "content-type": "application/json", "a": "x\ty ~", "f": "" });
        let body = r#"{"message":"x"}"#;
        let expected =
            json!({ "statusCode": 200, "headers": headers, "isBase64Encoded": false, "body": body, "cookies": [] });
        assert!(serde_json::from_value::<ApiGatewayV2httpResponse>(event.clone()).is_ok());
        assert_eq!(event, expected);
    }
}
