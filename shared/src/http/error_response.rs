//! The answer to a request that failed, and what the log says about it.

use std::borrow::Cow;

use serde::Serialize;

use super::{Problem, Response};
use crate::{Error, telemetry};

/// How many seconds a client should wait before it tries again when the database is away. A suspended Neon compute
/// is back within one second.
const RETRY_AFTER: &str = "1";

/// The same when an operator must act first.
const RETRY_AFTER_OPERATOR: &str = "60";

impl From<Error> for Response {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated(_) => detail(401, "Not authenticated").and("www-authenticate", "Bearer"),
            Error::Forbidden => detail(403, "Not authorized"),
            Error::TaskNotFound => detail(404, "Task not found"),
            Error::PreconditionFailed => detail(412, "The task has changed since"),
            Error::TaskLimitReached(most) => detail(409, format!("There are {most} tasks, as many as there may be")),
            Error::UserInUse => detail(409, "Other data refers to the user"),
            Error::RouteNotFound => detail(404, "Not Found"),
            Error::MethodNotAllowed(methods) => detail(405, "Method Not Allowed").and("allow", methods),
            Error::TrailingSlash(location) => Self::redirect(location),
            Error::Invalid(problems) => Self::json(422, &ValidationError { detail: problems }),
            Error::UnreadableBody => detail(400, "There was an error parsing the body"),
            Error::BodyTooLarge => detail(413, "The body is too large"),
            Error::NotAnHttpEvent => detail(400, "Not a request of an API Gateway HTTP API"),
            Error::IssuerUnreachable => {
                detail(503, "Tokens cannot be verified at the moment").and("retry-after", RETRY_AFTER)
            }
            Error::Database(error) if error.is_transient() => {
                detail(503, "The database is not available").and("retry-after", RETRY_AFTER)
            }
            Error::Database(error) if error.needs_operator() => {
                detail(503, "The database is not available").and("retry-after", RETRY_AFTER_OPERATOR)
            }
            Error::Database(_) | Error::Panic => detail(500, "Server error"),
        }
    }
}

impl Error {
    /// Why a request was refused, and the causes of a failure.
    pub(crate) fn for_log(&self) -> (Option<&'static str>, Vec<String>) {
        match self {
            Self::Unauthenticated(reason) => (Some(reason), Vec::new()),
            Self::Database(error) => (None, telemetry::causes(error)),
            Self::Panic => (Some("panic"), Vec::new()),
            Self::IssuerUnreachable => (Some("no keys of the issuer"), Vec::new()),
            _ => (None, Vec::new()),
        }
    }
}

impl Response {
    fn and(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.header(name, value);
        self
    }
}

fn detail(status: u16, detail: impl Into<Cow<'static, str>>) -> Response {
    Response::json(status, &ErrorBody { detail: detail.into() })
}

/// The body of every error but a 422.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "Error"))]
pub struct ErrorBody {
    detail: Cow<'static, str>,
}

/// The body of a 422: everything that is wrong with the request.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ValidationError {
    #[cfg_attr(feature = "openapi", schemars(length(min = 1)))]
    detail: Vec<Problem>,
}
