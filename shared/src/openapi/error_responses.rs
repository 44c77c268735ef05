//! The answers other than success. The error itself gives the status and the example.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::operation::header;
use crate::{
    Error,
    db::DbError,
    http::{ErrorBody, Problem, Response, ValidationError},
};

/// An answer other than success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorResponse {
    /// The body is not text.
    UnreadableBody,
    /// There is no valid token.
    Unauthenticated,
    /// The path or the task is another user's.
    Forbidden,
    /// There is no such task.
    TaskNotFound,
    /// The client has this version already.
    NotModified,
    /// The user has reached the maximum number of tasks.
    TooManyTasks,
    /// Other data keeps the user from being deleted.
    UserInUse,
    /// The task has another version.
    PreconditionFailed,
    /// The body is larger than any valid body.
    BodyTooLarge,
    /// The input is wrong.
    Invalid,
    /// The API failed.
    Failed,
    /// The database is away.
    Unavailable,
}

impl ErrorResponse {
    const ALL: [Self; 12] = [
        Self::UnreadableBody,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::TaskNotFound,
        Self::NotModified,
        Self::TooManyTasks,
        Self::UserInUse,
        Self::PreconditionFailed,
        Self::BodyTooLarge,
        Self::Invalid,
        Self::Failed,
        Self::Unavailable,
    ];

    /// The name of this answer's component.
    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// The description, and an error that gets this answer. [`Self::NotModified`] is not an error, so it has `None`.
    fn parts(self) -> (&'static str, Option<Error>) {
        let (description, error) = match self {
            Self::NotModified => return ("The client has this version.", None),
            Self::UnreadableBody => ("The body is not UTF-8.", Error::UnreadableBody),
            Self::Unauthenticated => ("There is no valid token, or its user is gone.", Error::Unauthenticated("")),
            Self::Forbidden => ("The path or the task is another user's.", Error::Forbidden),
            Self::TaskNotFound => ("There is no such task.", Error::TaskNotFound),
            Self::TooManyTasks => ("The user has as many tasks as a user may have.", Error::TaskLimitReached(10_000)),
            Self::UserInUse => ("Other data refers to the user, and does not go too.", Error::UserInUse),
            Self::PreconditionFailed => ("The task has none of the versions in `If-Match`.", Error::PreconditionFailed),
            Self::BodyTooLarge => ("The body has more than 256 KiB.", Error::BodyTooLarge),
            Self::Invalid => {
                let problem = Problem::missing(json!(["body", "title"]), json!({}));
                ("Something does not fit: every problem is listed.", Error::Invalid(vec![problem]))
            }
            Self::Failed => ("Something is wrong here; the log has the cause.", Error::Panic),
            Self::Unavailable => ("The database is away or too slow.", Error::Database(DbError::Deadline)),
        };
        (description, Some(error))
    }

    /// The status code.
    pub(super) fn status(self) -> u16 {
        self.parts().1.map_or(Response::NOT_MODIFIED, |error| Response::from(error).status())
    }
}

/// All the answers, by name.
pub(super) fn all(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let (error, invalid) = (generator.subschema_for::<ErrorBody>(), generator.subschema_for::<ValidationError>());
    let responses = ErrorResponse::ALL.into_iter().map(|response| {
        let (description, cause) = response.parts();
        let mut headers = vec!["RequestId"];
        let Some(cause) = cause else {
            headers.push("ETag");
            return (response.name(), json!({ "description": description, "headers": headers_of(&headers) }));
        };
        let schema = if matches!(cause, Error::Invalid(_)) { &invalid } else { &error };
        let answer = Response::from(cause);
        if answer.has_header("retry-after") {
            headers.push("RetryAfter");
        }
        let example: Value = answer.body_json();
        let content = json!({ "application/json": { "schema": schema, "example": example } });
        (response.name(), json!({ "description": description, "headers": headers_of(&headers), "content": content }))
    });
    responses.collect()
}

fn headers_of(names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| header(name)).collect()
}
