//! Everything a request can come to other than its answer.

use crate::{
    auth::TokenError,
    db::{DbError, Outcome},
    problem::Problem,
};

/// The result of whatever happens on behalf of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not answered as asked. What the caller is told is decided in [`crate::http`].
#[derive(Debug)]
pub enum Error {
    /// No valid token, or its user is gone. The text is for the log only.
    Unauthenticated(&'static str),
    /// There are no keys to hold a token to: the issuer has not answered yet.
    NoKeys,
    /// The path or the task belongs to another user.
    Forbidden,
    /// No such task.
    TaskNotFound,
    /// The task is another version than the change is meant for.
    PreconditionFailed,
    /// The user has as many tasks as there may be.
    TaskLimitReached(i32),
    /// Rows of another table keep the user from being deleted.
    UserInUse,
    /// No such route.
    RouteNotFound,
    /// The route exists, for the methods listed here (the value of `Allow`).
    MethodNotAllowed(String),
    /// The route exists without the slash at the end: the path with its query.
    TrailingSlash(String),
    /// What was sent does not fit: every problem found.
    Invalid(Vec<Problem>),
    /// The body is not text.
    UnreadableBody,
    /// The body is larger than any valid one.
    BodyTooLarge,
    /// The event is not one of API Gateway's HTTP API.
    NotAnHttpEvent,
    /// The database did not do its part.
    Database(DbError),
    /// The handler panicked; the panic hook has logged where.
    Panic,
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Token(reason) | TokenError::Signature(reason) | TokenError::Claims(reason) => {
                Self::Unauthenticated(reason)
            }
            TokenError::NoKeys => Self::NoKeys,
        }
    }
}

impl From<Outcome> for Error {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::NoUser => Self::Unauthenticated("the user no longer exists"),
            Outcome::Forbidden => Self::Forbidden,
            Outcome::NotFound => Self::TaskNotFound,
            Outcome::Stale => Self::PreconditionFailed,
            // `Db::write`, creating a task and changing a user make something else of those that they know.
            other => Self::Database(DbError::Outcome(other)),
        }
    }
}
