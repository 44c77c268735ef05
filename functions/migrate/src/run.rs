//! Doing what an event asks for.

use std::{error::Error as StdError, fmt, time::Duration};

use lambda_runtime::Diagnostic;
use refinery::{Migration, Runner, Target};
use refinery_core::{error::Kind, traits::r#async::AsyncMigrate};
use tokio_postgres::{
    Config, Transaction,
    error::{ErrorPosition, SqlState},
};

use shared::{auth::UserIds, config::UsersTable};

use crate::{
    adopt,
    connection::Connection,
    report::{Report, Step},
    request::Request,
    schema::{self, Guards},
    transaction::OneTransaction,
};

/// (file name without `.sql`, text, text of the undo script), in no particular order.
const FILES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// refinery's own table.
const HISTORY: &str = "task_api.refinery_schema_history";

/// How often a run begins anew that met another one at the very first migration.
const ATTEMPTS: usize = 3;

/// The database, and who uses it.
pub(crate) struct Database {
    /// Where migrations run.
    pub(crate) config: Config,
    /// The role that routes log in as.
    pub(crate) login: Option<String>,
    /// The kind of ids that users have.
    pub(crate) user_ids: UserIds,
    /// Where users are.
    pub(crate) users_table: UsersTable,
}

/// Does what is asked for within `time`.
pub(crate) async fn run(database: &Database, request: &Request, time: Duration) -> Result<Report, Failure> {
    let attempts = async {
        for _ in 1..ATTEMPTS {
            match connected(database, request).await {
                Err(Failure::Overtaken(_)) => {}
                result => return result,
            }
        }
        connected(database, request).await
    };
    tokio::time::timeout(time, attempts).await.unwrap_or(Err(Failure::Deadline))
}

async fn connected(database: &Database, request: &Request) -> Result<Report, Failure> {
    let mut connection = Connection::open(&database.config).await?;
    let transaction = connection.client.transaction().await.map_err(Failure::database)?;
    // What a script locks, Better Auth's users among it, others wait for meanwhile: it may not wait
    // long itself. A run as a whole has its time; a statement that makes an index may need all of it.
    let settings = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = ";
    transaction.batch_execute(&format!("{settings}0")).await.map_err(Failure::database)?;
    if *request != Request::Status {
        schema::check_privileges(&transaction).await?;
        // Whoever comes second waits here.
        schema::lock(&transaction).await.map_err(Failure::overtaken)?;
    }
    transaction.batch_execute(&format!("{settings}'10s'")).await.map_err(Failure::database)?;
    let mut transaction = OneTransaction(transaction);
    let report = locked(&mut transaction, request, database).await?;
    transaction.0.commit().await.map_err(Failure::database)?;
    Ok(report)
}

async fn locked(
    transaction: &mut OneTransaction<'_>,
    request: &Request,
    database: &Database,
) -> Result<Report, Failure> {
    let migrations = embedded(database.user_ids)?;
    let (mut applied, mut undone, mut adopted) = (Vec::new(), Vec::new(), None);
    match *request {
        Request::Up { to } => {
            let target = to.map(|version| known(&migrations, version)).transpose()?;
            let names = schema::compare(&transaction.0, database, true).await?;
            applied = up(transaction, &migrations, target).await?;
            schema::ensure(&transaction.0, &names, Guards::Ours).await?;
        }
        Request::Deploy => {
            let names = schema::compare(&transaction.0, database, true).await?;
            let newest = migrations.last().map_or(0, Migration::version);
            let is_ahead = history(transaction).await?.last().is_some_and(|last| last.version() > newest);
            if !is_ahead {
                applied = up(transaction, &migrations, None).await?;
            }
            let guards = if is_ahead { Guards::OfNewerRelease } else { Guards::Ours };
            schema::ensure(&transaction.0, &names, guards).await?;
        }
        Request::DownTo(version) => {
            if version != 0 {
                known(&migrations, version)?;
            }
            let newer = history(transaction).await?.into_iter().filter(|migration| migration.version() > version);
            undone = down(&transaction.0, newer.rev()).await?;
        }
        Request::Adopt(ref adoption) => {
            adopt::check(&transaction.0).await?;
            let names = schema::compare(&transaction.0, database, false).await?;
            adopted = Some(adopt::adopt(&transaction.0, adoption, &names).await?);
        }
        Request::Status => {}
    }
    let done = history(transaction).await?;
    let is_done = |migration: &&Migration| done.iter().any(|done| done.version() == migration.version());
    Ok(Report {
        applied,
        undone,
        pending: migrations.iter().filter(|migration| !is_done(migration)).map(Step::from).collect(),
        version: done.last().map_or(0, Migration::version),
        functions: schema::state(&transaction.0).await?,
        adopted,
    })
}

async fn up(
    transaction: &mut OneTransaction<'_>,
    migrations: &[Migration],
    to: Option<i32>,
) -> Result<Vec<Step>, Failure> {
    let target = to.map_or(Target::Latest, Target::Version);
    let mut runner = Runner::new(migrations).set_target(target).set_abort_divergent(true).set_abort_missing(true);
    runner.set_migration_table_name(HISTORY);
    let report = runner.run_async(transaction).await.map_err(|error| Failure::up(&error, migrations))?;
    Ok(report.applied_migrations().iter().map(Step::from).collect())
}

/// Runs undo scripts, the newest first.
async fn down(
    transaction: &Transaction<'_>,
    migrations: impl Iterator<Item = Migration>,
) -> Result<Vec<Step>, Failure> {
    let mut undone = Vec::new();
    for migration in migrations {
        let stem = format!("V{}__{}", migration.version(), migration.name());
        let (_, _, undo) = FILES
            .iter()
            .find(|(file, ..)| *file == stem)
            .ok_or_else(|| Failure::History(format!("{stem} is applied, and there is no such file")))?;
        let at = |error| Failure::script(&format!("{stem}.undo.sql"), undo, &error);
        transaction.batch_execute(undo).await.map_err(at)?;
        let forget = format!("DELETE FROM {HISTORY} WHERE version = $1");
        transaction.execute(&forget, &[&migration.version()]).await.map_err(Failure::database)?;
        undone.push(Step::from(&migration));
    }
    Ok(undone)
}

/// What is applied, the oldest first. Nothing, when the table is not there yet.
async fn history(transaction: &mut OneTransaction<'_>) -> Result<Vec<Migration>, Failure> {
    let there = transaction.0.query_one("SELECT to_regclass($1) IS NOT NULL", &[&HISTORY]).await;
    if !there.map_err(Failure::database)?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    transaction.get_applied_migrations(HISTORY).await.map_err(|error| Failure::up(&error, &[]))
}

/// The migrations in this binary for users' ids of a kind, the oldest first.
fn embedded(ids: UserIds) -> Result<Vec<Migration>, Failure> {
    // Texts are compared byte by byte, whatever the collation of the database.
    let user_id = if ids == UserIds::Text { "TEXT COLLATE \"C\"" } else { ids.sql_type() };
    let parse = |(name, sql, _): &(&str, &str, &str)| Migration::unapplied(name, &sql.replace("{{user_id}}", user_id));
    let mut migrations: Vec<_> =
        FILES.iter().map(parse).collect::<Result<_, _>>().map_err(|error| Failure::History(error.to_string()))?;
    migrations.sort_by_key(Migration::version);
    Ok(migrations)
}

fn known(migrations: &[Migration], version: i32) -> Result<i32, Failure> {
    let is_known = migrations.iter().any(|migration| migration.version() == version);
    is_known.then_some(version).ok_or_else(|| Failure::Request(format!("there is no migration {version}")))
}

/// Why nothing was done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The event is wrong.
    Request(String),
    /// A variable is missing or wrong.
    Configuration(String),
    /// The database cannot be reached.
    Connect(String),
    /// The time ran out: the database is slow, or somebody else migrates.
    Deadline,
    /// The database and the files disagree about what has been.
    History(String),
    /// A script failed.
    Script(String),
    /// What is in the database does not fit, or could not be made.
    Schema(String),
    /// Another run made the first tables at the same moment.
    Overtaken(String),
    /// The database failed elsewhere.
    Database(String),
    /// What was done could not be told to CloudFormation.
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
        // What the scripts of a release raise is for people; its place in them is not.
        let message = error.as_db_error().map(|error| error.message().to_owned());
        Self::Schema(message.unwrap_or_else(|| shared::telemetry::causes(&error).join(": ")))
    }

    fn overtaken(error: tokio_postgres::Error) -> Self {
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

    /// A script's failure, with the line that the database complains of.
    fn script(file: &str, text: &str, error: &tokio_postgres::Error) -> Self {
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

    /// refinery's error. It names the migration that failed in its message only.
    fn up(error: &refinery::Error, migrations: &[Migration]) -> Self {
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
