//! The error of a request.

use crate::{
    auth::TokenError,
    db::{DbError, Outcome},
    problem::Problem,
};

/// The result of code that works for a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request failed. [`crate::http`] decides what the caller is told.
#[derive(Debug)]
pub enum Error {
    /// The token is missing or bad, or its user was deleted. The text is for the log only.
    Unauthenticated(&'static str),
    /// There are no keys to verify a token with, because the issuer has not answered yet.
    IssuerUnreachable,
    /// The path or the task belongs to another user.
    Forbidden,
    /// There is no such task.
    TaskNotFound,
    /// The task has another version than the change is meant for.
    PreconditionFailed,
    /// The user has reached this maximum number of tasks.
    TaskLimitReached(i32),
    /// Rows of another table keep the user from being deleted.
    UserInUse,
    /// There is no such route.
    RouteNotFound,
    /// The path exists, but only for these methods (the value of `Allow`).
    MethodNotAllowed(String),
    /// The route exists without the slash at the end. Holds the address without the slash, with the query.
    TrailingSlash(String),
    /// The input is wrong. Holds every problem that was found.
    Invalid(Vec<Problem>),
    /// The body is not text.
    UnreadableBody,
    /// The body is larger than any valid body.
    BodyTooLarge,
    /// The event is not from an API Gateway HTTP API.
    NotAnHttpEvent,
    /// The database failed.
    Database(DbError),
    /// The handler panicked. The panic hook has logged where.
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
            TokenError::IssuerUnreachable => Self::IssuerUnreachable,
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
            // `Db::write`, and the functions that create a task or change a user, handle the other outcomes before
            // they get here.
            other => Self::Database(DbError::Outcome(other)),
        }
    }
}
