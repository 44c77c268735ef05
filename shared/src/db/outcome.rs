//! The outcome that a database function returns.

use tokio_postgres::types::{FromSql, Type};

/// The field `outcome`, which is the first of every answer and of every row of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The call is done, and the other fields have the result.
    Done,
    /// The caller is not a user any more.
    NoUser,
    /// The task is another user's.
    Forbidden,
    /// There is no such task.
    NotFound,
    /// The task has another version than the write is meant for.
    Stale,
    /// The user has reached the maximum number of tasks.
    Limit,
    /// The idempotency key was sent before, with the same request.
    Replayed,
    /// The idempotency key was sent before, with another request.
    KeyReused,
    /// The users table has no column for the value to change.
    NoColumn,
    /// The write reached the server after its deadline, and changed nothing.
    Late,
}

impl Outcome {
    /// `Ok` when the call is done.
    ///
    /// # Errors
    /// Any other outcome. [`crate::Error`] has a conversion from it.
    pub fn done(self) -> Result<(), Self> {
        if self == Self::Done { Ok(()) } else { Err(self) }
    }
}

impl FromSql<'_> for Outcome {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match raw {
            b"ok" => Self::Done,
            b"no_user" => Self::NoUser,
            b"forbidden" => Self::Forbidden,
            b"not_found" => Self::NotFound,
            b"stale" => Self::Stale,
            b"limit" => Self::Limit,
            b"replayed" => Self::Replayed,
            b"key_reused" => Self::KeyReused,
            b"no_column" => Self::NoColumn,
            b"late" => Self::Late,
            _ => return Err("a function of the database has another outcome than this program knows".into()),
        })
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TEXT
    }
}
