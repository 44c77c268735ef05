//! Errors of the database, and whether the statement may be sent again.

use std::fmt;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{Severity, SqlState};

use super::{Outcome, RELEASE_SCHEMA};

/// The SQLSTATE of a write that would commit after its deadline and stopped itself.
const TOO_LATE: &str = "TA001";

/// Why the database did not answer as it should.
#[derive(Debug)]
pub enum DbError {
    /// TLS could not be set up.
    Tls(native_tls::Error),
    /// The pool is closed or set up wrongly.
    Pool,
    /// No connection could be opened.
    Connect(PoolError),
    /// The statement failed, or its connection did.
    Statement(tokio_postgres::Error),
    /// The connection was lost before the statement was sent.
    Unsent(tokio_postgres::Error),
    /// The request's deadline came first.
    Deadline,
    /// A function that always returns a row returned none.
    NoRow,
    /// The field at this position of a function's answer is missing, NULL or of another type than it should be.
    Unreadable(usize),
    /// A function returned an outcome that it should not return.
    Outcome(Outcome),
    /// Something that routes need is missing, or was changed after `up` made it.
    Unhealthy(String),
}

impl DbError {
    /// Whether the same request may succeed a little later: the database is away or overloaded, or it let another
    /// transaction win.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        // The classes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection exception,
        // invalid transaction state (that session is not used again), transaction rollback, insufficient resources,
        // operator intervention, system error. Two more states are below: a lock that was not available in time, and
        // a write that would have been late.
        const CLASSES: [&str; 6] = ["08", "25", "40", "53", "57", "58"];
        match self {
            Self::Deadline | Self::Unsent(_) => true,
            Self::Connect(error) => is_transient_to_connect(error),
            Self::Statement(error) => error.code().is_none_or(|state| {
                CLASSES.iter().any(|class| state.code().starts_with(class))
                    || *state == SqlState::LOCK_NOT_AVAILABLE
                    || state.code() == TOO_LATE
            }),
            Self::Tls(_) | Self::Pool | Self::NoRow | Self::Unreadable(_) | Self::Outcome(_) | Self::Unhealthy(_) => {
                false
            }
        }
    }

    /// Whether the error stays until an operator acts: the password, the database or the role is wrong, or the
    /// functions of this release are not in the database.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        match self {
            Self::Connect(error) => !is_transient_to_connect(error),
            Self::Statement(error) => is_not_migrated(error),
            Self::Unhealthy(_) => true,
            _ => false,
        }
    }

    /// Whether a column or a constraint of a table refused the values (SQLSTATE classes 22 and 23).
    pub(crate) fn is_rejected_value(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.code().is_some_and(|state| state.code().starts_with("22") || state.code().starts_with("23"))
    }

    /// Whether the statement has certainly changed nothing, so that it may run again on another connection.
    /// This is so when its transaction was rolled back in favour of another, could not begin because of the state of
    /// its session, did not get a lock in time, was not done in time, or was never sent.
    pub(super) fn is_rolled_back(&self) -> bool {
        if let Self::Unsent(_) = self {
            return true;
        }
        let Self::Statement(error) = self else { return false };
        error.code().is_some_and(|state| {
            let of = |class| state.code().starts_with(class);
            // 40003 means that the outcome is unknown.
            (of("40") && *state != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN)
                || of("25")
                || *state == SqlState::LOCK_NOT_AVAILABLE
                || *state == SqlState::QUERY_CANCELED
                || state.code() == TOO_LATE
        })
    }

    /// This error of a statement that prepares another: without a connection, the other was not sent.
    pub(super) fn before_sending(self) -> Self {
        let is_lost = self.is_lost_connection();
        match self {
            Self::Statement(error) if is_lost => Self::Unsent(error),
            other => other,
        }
    }

    /// Whether the connection was lost, so that the outcome of the statement is unknown.
    pub(super) fn is_lost_connection(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.as_db_error().is_none_or(|error| {
            is_fatal(error)
                || error.code().code().starts_with("08")
                || *error.code() == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        })
    }

    /// Whether the server's process itself announced its end, so that it will not commit the statement later. An
    /// error of a pooler does not show that: the server behind it may go on.
    pub(super) fn is_end_of_process(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.as_db_error().is_some_and(|error| is_fatal(error) && error.code().code().starts_with("57P"))
    }

    /// Whether the session can be used again: the statement failed for a reason of its own. Every other connection
    /// is closed, because its state is unknown.
    pub(super) fn leaves_session_usable(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.as_db_error().is_some_and(|error| {
            let of = |class| error.code().code().starts_with(class);
            !is_fatal(error)
                && (of("22")
                    || of("23")
                    || (of("40") && *error.code() != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN)
                    || *error.code() == SqlState::LOCK_NOT_AVAILABLE
                    || error.code().code() == TOO_LATE)
        })
    }
}

fn is_fatal(error: &tokio_postgres::error::DbError) -> bool {
    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

/// Whether connecting may succeed a little later. A wrong user or password will be refused the next time too.
pub(super) fn is_transient_to_connect(error: &PoolError) -> bool {
    let PoolError::Backend(error) = error else {
        // A hook of the pool failed on a new connection.
        return true;
    };
    let Some(code) = error.code() else {
        // The network, TLS, or a server with another protocol. Only a bad certificate would stay wrong, and its
        // error looks like the others.
        return true;
    };
    let of = |class| code.code().starts_with(class);
    // PgBouncer uses one code for all errors, and only its message says which error it is.
    let refused = error.as_db_error().is_some_and(|error| {
        ["authentication failed", "no such database", "no such user"].iter().any(|text| error.message().contains(text))
    });
    !refused && ["08", "53", "55", "57", "58", "XX"].into_iter().any(of)
}

/// Whether the functions of this release are missing, or this login may not call them.
fn is_not_migrated(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| {
        [SqlState::INVALID_SCHEMA_NAME, SqlState::UNDEFINED_FUNCTION, SqlState::INSUFFICIENT_PRIVILEGE].contains(state)
    })
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(_) => f.write_str("TLS cannot be set up"),
            Self::Pool => f.write_str("the pool has no connection to give"),
            Self::Connect(error) if !is_transient_to_connect(error) => {
                f.write_str("the database does not let DATABASE_URL in, which does not pass by itself")
            }
            Self::Connect(_) => f.write_str("cannot connect to the database"),
            Self::Statement(error) if is_not_migrated(error) => write!(
                f,
                "the functions of this release, in the schema {RELEASE_SCHEMA}, are not in the database or may not be \
                 called: invoke the migrate function with {{\"action\": \"up\"}}"
            ),
            Self::Statement(_) => f.write_str("the statement failed"),
            Self::Unsent(_) => f.write_str("the connection was lost before the statement was sent"),
            Self::Deadline => f.write_str("the deadline came before the database's answer"),
            Self::Outcome(outcome) => {
                write!(f, "a function of the database answered {outcome:?}, which is not its to answer")
            }
            Self::NoRow => f.write_str("a function of the database answered no row"),
            Self::Unreadable(field) => {
                write!(f, "field {field} of a function's answer is missing, NULL or of another type than it should be")
            }
            Self::Unhealthy(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for DbError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Connect(error) => Some(error),
            Self::Statement(error) | Self::Unsent(error) => Some(error),
            Self::Pool | Self::Deadline | Self::NoRow | Self::Unreadable(_) | Self::Outcome(_) | Self::Unhealthy(_) => {
                None
            }
        }
    }
}
