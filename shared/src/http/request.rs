//! A request, as API Gateway's HTTP API describes it to a function.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use serde_json::{json, value::RawValue};

use super::{Header, Problem, Problems, headers::Headers};
#[cfg(feature = "openapi")]
use crate::openapi::Operation;
use crate::{
    Error, Result,
    auth::{Caller, Owner, UserId},
    routes,
};

/// The largest body that is read, in bytes. A valid one is at most some 15 KB, even with every
/// character escaped; and what is wrong with a body is quoted in the answer, which has to stay
/// below Lambda's 6 MB.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// What a path in a header must not contain literally. `%` is not among it: under
/// `cargo lambda watch` the path is still encoded.
pub(super) const UNSAFE: &AsciiSet =
    &UNSAFE_IN_QUERY.add(b'?').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// The same for a query.
pub(super) const UNSAFE_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// An invocation's payload: a request, or whatever else it is, so that a strange one gets an answer
/// and is not an error of the function.
///
/// `lambda_http` would do this too, but builds a URI from the raw path and panics on some that
/// API Gateway lets through.
#[derive(Debug)]
pub struct HttpEvent(Option<Request>);

impl HttpEvent {
    /// The request.
    ///
    /// # Errors
    /// [`Error::NotAnHttpEvent`] when it is something else.
    pub fn request(&self) -> Result<&Request> {
        self.0.as_ref().ok_or(Error::NotAnHttpEvent)
    }
}

impl<'de> Deserialize<'de> for HttpEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(payload.get()).ok()))
    }
}

/// [Payload format 2.0](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html),
/// as far as it is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    route_key: Option<String>,
    raw_path: String,
    raw_query_string: Option<String>,
    headers: Option<Headers>,
    path_parameters: Option<PathParameters>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: RequestContext,
}

/// The parameters in the paths of the route table.
#[derive(Debug, Deserialize)]
struct PathParameters {
    user_id: Option<String>,
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    http: Http,
    stage: Option<String>,
    domain_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

/// A request.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Request(Event);

/// Whether a text is an optional `-` and ASCII digits.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The token of `Bearer <token>`, in any case (RFC 9110, section 11.1), with spaces between. What
/// follows is the token's matter: nothing but base64url and dots is one.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim_matches(' ').split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// What a handler reads from a request besides its owner: an id, a body, a query.
pub trait Input: Sized {
    /// Reads it, or adds to `problems` what is wrong.
    fn read(request: &Request, problems: &mut Problems) -> Option<Self>;

    /// Says in `/openapi.json` what an operation that reads it takes, and which errors come of it.
    #[cfg(feature = "openapi")]
    fn describe(operation: &mut Operation);
}

impl Input for () {
    fn read(_: &Request, _: &mut Problems) -> Option<Self> {
        Some(())
    }

    #[cfg(feature = "openapi")]
    fn describe(_: &mut Operation) {}
}

impl<A: Input, B: Input> Input for (A, B) {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let (first, second) = (A::read(request, problems), B::read(request, problems));
        first.zip(second)
    }

    #[cfg(feature = "openapi")]
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
    }
}

impl<A: Input, B: Input, C: Input> Input for (A, B, C) {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let (first, (second, third)) = Input::read(request, problems)?;
        Some((first, second, third))
    }

    #[cfg(feature = "openapi")]
    fn describe(operation: &mut Operation) {
        <(A, (B, C))>::describe(operation);
    }
}

impl Request {
    /// The method, as it was sent.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.request_context.http.method
    }

    /// The path below [`Request::base_path`]: percent-decoded on AWS, and as it was sent under
    /// `cargo lambda watch`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.raw_path.get(self.base_path().len()..).unwrap_or_default()
    }

    /// What is before the path of a route: the name of a stage, and the path that a custom domain has this API
    /// at ([API mappings](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mappings.html)).
    /// Empty in most cases.
    #[must_use]
    pub fn base_path(&self) -> &str {
        let (path, context) = (self.0.raw_path.as_str(), &self.0.request_context);
        let is_known = |path: &str| routes::is_known(path, self.0.route_key.as_deref());
        if is_known(path) {
            return "";
        }
        let stage = context.stage.as_deref().filter(|stage| *stage != "$default");
        let of_stage = stage.map_or(0, |stage| {
            let is_first = path
                .strip_prefix('/')
                .and_then(|rest| rest.strip_prefix(stage))
                .is_some_and(|rest| rest.starts_with('/'));
            if is_first { stage.len() + 1 } else { 0 }
        });
        // Only at a domain of its own an API can have a path that no event names.
        let is_own_domain = !context.domain_name.as_deref().is_some_and(|name| name.contains(".execute-api."));
        let slashes = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > of_stage && is_own_domain);
        let mapping = slashes.into_iter().find(|at| path.get(*at..).is_some_and(is_known));
        let base = path.get(..mapping.unwrap_or(of_stage)).unwrap_or_default();
        // Two slashes would make what follows a host in an answer's address.
        if base.contains("//") { "" } else { base }
    }

    /// The address of a path of this API, from the root of the host on: below [`Request::base_path`].
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", utf8_percent_encode(self.base_path(), UNSAFE))
    }

    /// The query as it was sent, without the question mark.
    #[must_use]
    pub fn raw_query(&self) -> &str {
        self.0.raw_query_string.as_deref().unwrap_or_default()
    }

    /// The parameters of the query in their order, decoded as forms are.
    pub fn query(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.raw_query().as_bytes())
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, header: Header) -> Option<&str> {
        self.0.headers.as_ref()?.get(header)
    }

    /// Whether the client takes an answer compressed with gzip.
    #[must_use]
    pub fn accepts_gzip(&self) -> bool {
        let codings = self.header(Header::AcceptEncoding).unwrap_or_default().split(',');
        codings.into_iter().any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && !["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&weight.trim())
        })
    }

    /// The token of its `Authorization` header.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is none.
    pub fn bearer_token(&self) -> Result<&str> {
        let header = self.header(Header::Authorization).ok_or(Error::Unauthenticated("no Authorization header"))?;
        bearer(header).ok_or(Error::Unauthenticated("Authorization is not a bearer token"))
    }

    /// The owner that the caller and the path agree on, which is the caller where the path names nobody, and what else
    /// the handler needs.
    ///
    /// # Errors
    /// In this order: what is wrong with the request when what the path has for a user is no id,
    /// [`Error::Forbidden`] for another user's path, what is wrong with the rest of the request.
    pub(crate) fn read_as<T: Input>(&self, caller: &Caller) -> Result<(Owner, T)> {
        let mut problems = Problems::default();
        let owner = self.owner(caller, &mut problems);
        let input = T::read(self, &mut problems);
        let owner = owner.transpose()?;
        problems.into_result()?;
        // Without a problem there are both.
        owner.zip(input).ok_or(Error::Invalid(Vec::new()))
    }

    /// As [`Request::read_as`], for a path that names the caller as `me`.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) fn read_as_me<T: Input>(&self, caller: &Caller) -> Result<(Owner, T)> {
        let mut problems = Problems::default();
        let input = T::read(self, &mut problems);
        problems.into_result()?;
        input.map(|input| (caller.owner_of_me(), input)).ok_or(Error::Invalid(Vec::new()))
    }

    /// The owner when the path is the caller's, or names nobody. A path of another kind than the caller's id is a
    /// problem of the request where ids are integers, as in the recorded API, and another user's where they are not.
    fn owner(&self, caller: &Caller, problems: &mut Problems) -> Option<Result<Owner>> {
        let Some(text) = self.path_parameter(|parameters| parameters.user_id.as_deref()) else {
            return Some(Ok(caller.owner_of_me()));
        };
        if matches!(caller.id(), UserId::Integer(_)) && !is_integer(&text) {
            problems.push(Problem::integer(json!(["path", "user_id"]), &text));
            return None;
        }
        Some(caller.owner_of_path(&text).ok_or(Error::Forbidden))
    }

    /// The task that the path names. What is past 128 bits becomes the largest number: either way it is an id that nothing has.
    pub(crate) fn task_id(&self, problems: &mut Problems) -> Option<i128> {
        let text = self.path_parameter(|parameters| parameters.id.as_deref()).unwrap_or_default();
        if !is_integer(&text) {
            problems.push(Problem::integer(json!(["path", "id"]), &text));
            return None;
        }
        Some(text.parse().unwrap_or(i128::MAX))
    }

    /// A path parameter, decoded. API Gateway has decoded it; `cargo lambda watch`, which calls
    /// every route `$default`, has not.
    fn path_parameter(&self, of: fn(&PathParameters) -> Option<&str>) -> Option<Cow<'_, str>> {
        let text = self.0.path_parameters.as_ref().and_then(of)?;
        Some(if self.0.route_key.as_deref() == Some("$default") {
            percent_decode_str(text).decode_utf8_lossy()
        } else {
            text.into()
        })
    }

    /// The body in bytes.
    ///
    /// # Errors
    /// When it is too large or its base64 is broken.
    pub(crate) fn body(&self) -> Result<Cow<'_, [u8]>> {
        let body = self.0.body.as_deref().unwrap_or_default();
        let bytes = if self.0.is_base64_encoded == Some(true) {
            STANDARD.decode(body).map_err(|_| Error::UnreadableBody)?.into()
        } else {
            Cow::from(body.as_bytes())
        };
        if bytes.len() > MAX_BODY_BYTES { Err(Error::BodyTooLarge) } else { Ok(bytes) }
    }
}
