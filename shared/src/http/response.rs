//! An answer, until it becomes API Gateway's.

use lambda_http::{
    Body,
    aws_lambda_events::apigw::ApiGatewayV2httpResponse,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use serde::Serialize;
use serde_json::json;

use super::{
    Request,
    conditional::{Versioned, is_known},
};

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

/// What the page of the documentation may do: run what is in it and talk to this API.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Response {
    /// 200 with a body.
    #[must_use]
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(200, body)
    }

    /// 200 with a message for people.
    #[must_use]
    pub fn message(message: &'static str) -> Self {
        Self::ok(&json!({ "message": message }))
    }

    /// 200: the API is well.
    #[must_use]
    pub fn health() -> Self {
        Self::ok(&json!({ "status": "ok" }))
    }

    /// 200 with a version of a resource.
    #[must_use]
    pub fn version(body: &impl Versioned) -> Self {
        Self::ok(body).with_tag(body)
    }

    /// The same, or 304 when the client has that version.
    #[must_use]
    pub fn version_unless_known(body: &impl Versioned, request: &Request) -> Self {
        if is_known(request, body.version()) { Self::empty(304).with_tag(body) } else { Self::version(body) }
    }

    /// 201 with what was created and where it is, and whether that was by the same request before.
    #[must_use]
    pub fn created(location: String, body: &impl Versioned, is_replay: bool) -> Self {
        let mut response = Self::json(201, body).with_tag(body);
        response.header("location", location);
        if is_replay {
            response.header("idempotent-replayed", "true".into());
        }
        response
    }

    fn with_tag(mut self, body: &impl Versioned) -> Self {
        self.header("etag", body.version().tag());
        self
    }

    /// 200 with a body that is JSON already, and the address of the page after it.
    #[must_use]
    pub fn page(body: String, next: Option<String>) -> Self {
        let mut response = Self::new(200, "application/json", body);
        if let Some(next) = next {
            // RFC 8288, section 3.
            response.header("link", format!("<{next}>; rel=\"next\""));
        }
        response
    }

    /// 200 with a JSON document that never changes.
    #[must_use]
    pub fn document(body: &'static str) -> Self {
        Self::new(200, "application/json", body)
    }

    /// 200 with a page.
    #[must_use]
    pub fn html(body: &'static str) -> Self {
        Self::html_of(body)
    }

    /// 200 with a page that is compressed with gzip.
    #[must_use]
    pub fn html_gzip(body: &'static [u8]) -> Self {
        let mut response = Self::html_of(body);
        response.header("content-encoding", "gzip".into());
        response
    }

    fn html_of(body: impl Into<Body>) -> Self {
        let mut response = Self::new(200, "text/html; charset=utf-8", body);
        response.header("content-security-policy", PAGE_POLICY.into());
        response.header("vary", "Origin, Accept-Encoding".into());
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
            // Only a map with keys that are no strings, or a failing `Serialize`: neither exists here.
            Err(_) => Self::new(500, "application/json", r#"{"detail":"Server error"}"#),
        }
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: "".into() }
    }

    fn new(status: u16, content_type: &str, body: impl Into<Body>) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body: body.into() }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Adds a header; one of the same name gives way.
    pub(crate) fn header(&mut self, name: &'static str, value: String) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| *other == name)
    }

    /// What API Gateway expects. A header whose value cannot be one is left out.
    pub(crate) fn into_event(self) -> ApiGatewayV2httpResponse {
        let headers: HeaderMap = self
            .headers
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?)))
            .collect();
        let mut event = ApiGatewayV2httpResponse::default();
        event.status_code = i64::from(self.status);
        event.headers = headers;
        event.is_base64_encoded = matches!(self.body, Body::Binary(_));
        event.body = Some(self.body);
        event
    }
}
