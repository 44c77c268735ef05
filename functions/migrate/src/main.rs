//! Migrates the database. The event says what to do:
//!
//! ```json
//! {"action": "up"}
//! {"action": "up", "to": 3}
//! {"action": "down", "to": 0}
//! {"action": "status"}
//! {"action": "adopt", "from": "public.task", "dry_run": true}
//! ```
//!
//! At deploy, the event is CloudFormation's: see [`cloudformation`]. The answer is a report of what was done. All
//! that an event asks for happens in one transaction and under a lock, or not at all.

mod adopt;
mod cloudformation;
mod connection;
mod failure;
mod ownership;
mod query;
mod report;
mod request;
mod run;
mod schema;
mod transaction;
mod users;

use std::process::ExitCode;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::config::{ConfigError, Env};

use crate::{connection::Database, failure::Failure, request::Request};

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(shared::telemetry::panic_hook));
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("migrate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), lambda_runtime::Error> {
    let env = Env::from_process();
    env.runtime_api()?;
    // Not an error yet: CloudFormation waits for an answer that says what is wrong, and must be able to delete a
    // stack with a wrong configuration.
    let database = database(&env).map_err(|error| error.to_string());
    let database = &database;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(lambda_runtime::run(service_fn(
        |event: LambdaEvent<Value>| async move { handle(database, event).await },
    )))
}

fn database(env: &Env) -> Result<Database, ConfigError> {
    // The role that routes log in as may call the functions. Without `DATABASE_URL`, it is the migrations' user.
    let login = env.database().ok().and_then(|config| config.get_user().map(str::to_owned));
    Ok(Database { config: env.database_unpooled()?, login, user_ids: env.user_ids()?, users_table: env.users_table()? })
}

async fn handle(database: &Result<Database, String>, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let time = shared::request_scope::time_left(event.context.deadline);
    let database = database.as_ref().map_err(|problem| Failure::Configuration(problem.clone()));
    if let Some(event) = cloudformation::Event::parse(&event.payload) {
        return Ok(cloudformation::answer(database, &event, time).await?);
    }
    let request = Request::parse(event.payload)?;
    let report = run::run(database?, &request, time).await?;
    shared::telemetry::info("migrate", &report);
    Ok(json!(report))
}
