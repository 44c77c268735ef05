//! Cross-origin requests, as in the [Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol): allowed for
//! the configured origins, with credentials.

use super::{Header, Request, Response};
use crate::{config::Origins, routes::ROUTES};

/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: &str = "600";

/// Headers of answers that scripts may read besides the safelisted ones.
const EXPOSED: &str = "etag, idempotent-replayed, link, location, retry-after, x-request-id";

/// The origins whose pages may call the API.
pub struct Cors {
    origins: Origins,
}

impl Cors {
    /// Allows these origins.
    #[must_use]
    pub fn new(origins: Origins) -> Self {
        Self { origins }
    }

    /// Adds the headers that every answer to a request from `origin` needs.
    pub(crate) fn apply(&self, origin: Option<&str>, response: &mut Response) {
        if !response.has_header("vary") {
            response.header("vary", "Origin");
        }
        let Some(origin) = origin.filter(|origin| self.origins.allow(origin)) else {
            return;
        };
        response.header("access-control-allow-origin", origin.to_owned());
        response.header("access-control-allow-credentials", "true");
        response.header("access-control-expose-headers", EXPOSED);
    }
}

/// The answer to a preflight, or `None` if the request is not a preflight. `Cors::apply` adds whether the origin is
/// allowed, as in every answer.
#[must_use]
pub fn preflight(request: &Request) -> Option<Response> {
    let is_preflight = request.method() == "OPTIONS"
        && request.header(Header::Origin).is_some()
        && request.header(Header::AccessControlRequestMethod).is_some();
    if !is_preflight {
        return None;
    }
    let mut methods: Vec<_> = ROUTES.iter().map(|route| route.method).chain(["HEAD", "OPTIONS"]).collect();
    methods.sort_unstable();
    methods.dedup();
    let mut response = Response::preflight();
    response.header("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    response.header("access-control-allow-methods", methods.join(", "));
    response.header("access-control-max-age", MAX_AGE);
    if let Some(headers) = request.header(Header::AccessControlRequestHeaders) {
        response.header("access-control-allow-headers", headers.to_owned());
    }
    Some(response)
}
