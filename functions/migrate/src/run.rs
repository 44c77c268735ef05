//! Runs what an event asks for.

use std::time::Duration;

use refinery::{Migration, Runner, Target};
use refinery_core::traits::r#async::AsyncMigrate;
use shared::auth::UserIds;
use tokio_postgres::Transaction;

use crate::{
    adopt,
    connection::{Connection, Database},
    failure::Failure,
    ownership, query,
    report::{Report, Step},
    request::Request,
    schema::{self, Guards},
    transaction::OneTransaction,
};

/// (file name without `.sql`, text, text of the undo script), in no particular order.
const FILES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// refinery's own table.
const HISTORY: &str = "task_api.refinery_schema_history";

/// How often a run is tried while another run creates the first tables at the same moment.
const ATTEMPTS: usize = 3;

/// Does what the event asks for, within `time`.
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
    // A script must not wait long for a lock: others, such as Better Auth, wait meanwhile for the locks that the
    // script holds. Statements have no limit of their own, because a statement that creates an index may need the
    // whole time of the run.
    let settings = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = ";
    transaction.batch_execute(&format!("{settings}0")).await.map_err(Failure::database)?;
    // First of all: under another search path, functions of somebody else could run with the rights of this login.
    query::fix_search_path(&transaction).await?;
    if *request != Request::Status {
        ownership::become_owner(&transaction).await?;
        ownership::check_privileges(&transaction).await?;
        // A second run at the same time waits here.
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

/// Runs the undo scripts of these migrations, which come newest first.
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

/// The applied migrations, the oldest first. Empty when refinery's table does not exist yet.
async fn history(transaction: &mut OneTransaction<'_>) -> Result<Vec<Migration>, Failure> {
    let there = transaction.0.query_one("SELECT to_regclass($1) IS NOT NULL", &[&HISTORY]).await;
    if !there.map_err(Failure::database)?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    transaction.get_applied_migrations(HISTORY).await.map_err(|error| Failure::up(&error, &[]))
}

/// The migrations in this binary, for this kind of user ids, the oldest first.
fn embedded(ids: UserIds) -> Result<Vec<Migration>, Failure> {
    // Text ids are compared byte by byte, whatever the database's collation is.
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
