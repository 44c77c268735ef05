//! The error of a run.

use std::{error::Error as StdError, fmt};

use lambda_runtime::Diagnostic;
use refinery::Migration;
use refinery_core::error::Kind;
use tokio_postgres::error::{ErrorPosition, SqlState};

/// Why nothing was done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The event is wrong.
    Request(String),
    /// A variable is missing or wrong.
    Configuration(String),
    /// The database cannot be reached.
    Connect(String),
    /// The time ran out: the database is slow, or another run holds the lock.
    Deadline,
    /// The history in the database and the files in this binary differ.
    History(String),
    /// A script failed.
    Script(String),
    /// An object in the database does not fit, or could not be created.
    Schema(String),
    /// Another run created the first tables at the same moment.
    Overtaken(String),
    /// The database failed in another place.
    Database(String),
    /// CloudFormation did not get the answer.
    Answer(String),
}

impl Failure {
    // By value, for `map_err`.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn database(error: tokio_postgres::Error) -> Self {
        Self::Database(shared::telemetry::causes(&error).join(": "))
    }

    // By value, for `map_err`.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn schema(error: tokio_postgres::Error) -> Self {
        // The messages that a release's scripts raise are meant for people. Their position in the script is not.
        let message = error.as_db_error().map(|error| error.message().to_owned());
        Self::Schema(message.unwrap_or_else(|| shared::telemetry::causes(&error).join(": ")))
    }

    pub(crate) fn overtaken(error: tokio_postgres::Error) -> Self {
        let is_there = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_SCHEMA,
            SqlState::DUPLICATE_TABLE,
            SqlState::DUPLICATE_OBJECT,
        ];
        let overtaken = error.code().is_some_and(|state| is_there.contains(state));
        let Self::Database(message) = Self::database(error) else { return Self::Deadline };
        if overtaken { Self::Overtaken(message) } else { Self::Database(message) }
    }

    /// The failure of a script, with the line of the error.
    pub(crate) fn script(file: &str, text: &str, error: &tokio_postgres::Error) -> Self {
        let position = error.as_db_error().and_then(|error| error.position());
        let line = match position {
            Some(ErrorPosition::Original(position)) => {
                let before = usize::try_from(*position).unwrap_or_default().saturating_sub(1);
                Some(text.chars().take(before).filter(|char| *char == '\n').count() + 1)
            }
            _ => None,
        };
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        Self::Script(format!("migrations/{file}{line}: {}", shared::telemetry::causes(error).join(": ")))
    }

    /// Converts refinery's error. Only its message names the migration that failed.
    pub(crate) fn up(error: &refinery::Error, migrations: &[Migration]) -> Self {
        let Kind::Connection(message, _) = error.kind() else {
            return Self::History(error.to_string());
        };
        let failed = migrations.iter().find(|migration| message.ends_with(&format!(" {migration}")));
        let cause = StdError::source(error).and_then(|cause| cause.downcast_ref::<tokio_postgres::Error>());
        match (failed, cause) {
            (Some(failed), Some(cause)) => {
                Self::script(&format!("{failed}.sql"), failed.sql().unwrap_or_default(), cause)
            }
            _ => Self::Database(shared::telemetry::causes(error).join(": ")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(message) => write!(f, "the event is not understood: {message}"),
            Self::Configuration(problem) => write!(f, "the configuration is wrong: {problem}"),
            Self::Connect(message) => write!(f, "no connection: {message}"),
            Self::Deadline => f.write_str(
                "the time ran out before the end, and nothing was changed; another migration may be running",
            ),
            Self::History(message) => write!(f, "the database and the files disagree: {message}"),
            Self::Answer(message) => f.write_str(message),
            Self::Schema(message) | Self::Script(message) | Self::Overtaken(message) | Self::Database(message) => {
                write!(f, "nothing was changed: {message}")
            }
        }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        let error_type = match failure {
            Failure::Request(_) => "Request",
            Failure::Configuration(_) => "Configuration",
            Failure::Connect(_) => "Connect",
            Failure::Deadline => "Deadline",
            Failure::History(_) => "History",
            Failure::Script(_) => "Script",
            Failure::Schema(_) => "Schema",
            Failure::Database(_) | Failure::Overtaken(_) => "Database",
            Failure::Answer(_) => "Answer",
        };
        Self { error_type: error_type.into(), error_message: failure.to_string() }
    }
}
