//! Why the database did not do its part, and whether it may be asked again.

use std::fmt;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{Severity, SqlState};

use super::{Outcome, RELEASE_SCHEMA};

/// The SQLSTATE with which a write ends itself that would be committed after its deadline.
const TOO_LATE: &str = "TA001";

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
    /// A function that always has a row had none.
    NoRow,
    /// A function has an outcome that is not among its own.
    Outcome(Outcome),
    /// What routes need is not there, or not as it was made.
    Unhealthy(String),
}

impl DbError {
    /// Whether the same request may succeed a little later: the database is away, overloaded or
    /// took another transaction's side.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        // Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection
        // exception, invalid transaction state (of a session that is not used again), transaction
        // rollback, insufficient resources, operator intervention, system error. A lock that was not
        // available in time, and a write that would have been late.
        const CLASSES: [&str; 6] = ["08", "25", "40", "53", "57", "58"];
        match self {
            Self::Deadline => true,
            Self::Connect(error) => is_transient_to_connect(error),
            Self::Statement(error) => error.code().is_none_or(|state| {
                CLASSES.iter().any(|class| state.code().starts_with(class))
                    || *state == SqlState::LOCK_NOT_AVAILABLE
                    || state.code() == TOO_LATE
            }),
            Self::Tls(_) | Self::Pool | Self::NoRow | Self::Outcome(_) | Self::Unhealthy(_) => false,
        }
    }

    /// Whether it stays until somebody changes the configuration or migrates: the password, the database
    /// or the role is wrong, or the functions of this release are not in the database.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        match self {
            Self::Connect(error) => !is_transient_to_connect(error),
            Self::Statement(error) => is_not_migrated(error),
            Self::Unhealthy(_) => true,
            _ => false,
        }
    }

    /// Whether a column or constraint of a table did not take the values (classes 22 and 23).
    pub(crate) fn is_of_the_values(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.code().is_some_and(|state| state.code().starts_with("22") || state.code().starts_with("23"))
    }

    /// Whether the server said that nothing of the statement is in the database, so that it may run again
    /// on another connection: its transaction was rolled back for another's sake, was not let begin in the
    /// state that its session was left in, or did not get a lock or done in time.
    pub(super) fn is_rolled_back(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.code().is_some_and(|state| {
            let of = |class| state.code().starts_with(class);
            // 40003 says that nobody knows.
            (of("40") && *state != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN)
                || of("25")
                || *state == SqlState::LOCK_NOT_AVAILABLE
                || *state == SqlState::QUERY_CANCELED
                || state.code() == TOO_LATE
        })
    }

    /// Whether the connection was lost, and with it the knowledge of what became of the statement.
    pub(super) fn is_lost_connection(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.as_db_error().is_none_or(|error| {
            is_fatal(error)
                || error.code().code().starts_with("08")
                || *error.code() == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        })
    }

    /// Whether the server's process said itself that it ends, so that nothing can come of it later. Of a
    /// pooler's word that does not follow: the server behind it may go on.
    pub(super) fn is_end_of_process(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.as_db_error().is_some_and(|error| is_fatal(error) && error.code().code().starts_with("57P"))
    }

    /// Whether the session is as good as before: the statement was done or failed for a reason of its own.
    /// Every other connection is closed, as nobody knows what is wrong with it.
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

/// Whether connecting may succeed a little later. Who the server does not know, or does not let in, it
/// will not the next time.
pub(super) fn is_transient_to_connect(error: &PoolError) -> bool {
    let PoolError::Backend(error) = error else {
        // What a hook of the pool has run into on a new connection.
        return true;
    };
    let Some(code) = error.code() else {
        // The network, TLS, or a server that does not speak this protocol; of those only a certificate
        // stays wrong, and it cannot be told from the others.
        return true;
    };
    let of = |class| code.code().starts_with(class);
    // PgBouncer has one code for everything that is wrong, and says which in words.
    let refused = error.as_db_error().is_some_and(|error| {
        ["authentication failed", "no such database", "no such user"].iter().any(|text| error.message().contains(text))
    });
    !refused && ["08", "53", "55", "57", "58", "XX"].into_iter().any(of)
}

/// Whether the functions of this release are missing, or may not be called.
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
            Self::Deadline => f.write_str("the deadline came before the database's answer"),
            Self::Outcome(outcome) => {
                write!(f, "a function of the database answered {outcome:?}, which is not its to answer")
            }
            Self::NoRow => f.write_str("a function of the database answered no row"),
            Self::Unhealthy(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for DbError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Connect(error) => Some(error),
            Self::Statement(error) => Some(error),
            Self::Pool | Self::Deadline | Self::NoRow | Self::Outcome(_) | Self::Unhealthy(_) => None,
        }
    }
}
