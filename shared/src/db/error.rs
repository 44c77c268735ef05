//! Why the database did not do its part, and whether it may be asked again.

use std::fmt;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{Severity, SqlState};

/// Why the database did not do its part.
#[derive(Debug)]
pub enum DbError {
    /// TLS could not be set up.
    Tls(native_tls::Error),
    /// The pool is closed or badly set up.
    Pool,
    /// No connection.
    Connect(PoolError),
    /// The statement failed, or its connection did.
    Statement(tokio_postgres::Error),
    /// The request's deadline came first.
    Deadline,
}

impl DbError {
    /// Whether the same request may succeed a little later: the database is away, overloaded or
    /// took another transaction's side. Anything else is a mistake in this program or its schema.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        // Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection
        // exception, transaction rollback, insufficient resources, operator intervention, system
        // error; and a server that became read-only, as an old primary does in a failover.
        const CLASSES: [&str; 5] = ["08", "40", "53", "57", "58"];
        match self {
            Self::Connect(_) | Self::Deadline => true,
            Self::Statement(error) => error.code().is_none_or(|state| {
                *state == SqlState::READ_ONLY_SQL_TRANSACTION
                    || CLASSES.iter().any(|class| state.code().starts_with(class))
            }),
            Self::Tls(_) | Self::Pool => false,
        }
    }

    /// Whether the server said that the transaction was rolled back for another's sake, so that
    /// nothing of the statement is in the database.
    pub(super) fn is_rollback(&self) -> bool {
        matches!(self, Self::Statement(error) if error.code().is_some_and(|state| state.code().starts_with("40")))
    }

    /// Whether the connection was lost, and with it the knowledge of what became of the statement.
    pub(super) fn is_lost_connection(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.as_db_error().is_none_or(|error| {
            let is_fatal = matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
            is_fatal || error.code().code().starts_with("08") || error.code().code().starts_with("57P")
        })
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "TLS cannot be set up",
            Self::Pool => "the pool has no connection to give",
            Self::Connect(_) => "cannot connect to the database",
            Self::Statement(_) => "the statement failed",
            Self::Deadline => "the deadline came before the database's answer",
        })
    }
}

impl std::error::Error for DbError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Connect(error) => Some(error),
            Self::Statement(error) => Some(error),
            Self::Pool | Self::Deadline => None,
        }
    }
}
