//! Migrates the database. The event says what to do:
//!
//! ```json
//! {"action": "up"}
//! {"action": "up", "to": 3}
//! {"action": "down", "steps": 1}
//! {"action": "down", "to": 0}
//! {"action": "status"}
//! ```
//!
//! The answer is a report of what was done. Whatever the event asks for happens in one
//! transaction, under a lock, or not at all.

mod connection;
mod report;
mod request;
mod run;
mod transaction;

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use shared::config::Env;

use crate::{report::Report, request::Request};

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
    let env = Env::of_process();
    env.runtime_api()?;
    let database = env.database_unpooled()?;
    let database = &database;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(lambda_runtime::run(service_fn(
        |event: LambdaEvent<Value>| async move { handle(database, event).await },
    )))
}

async fn handle(
    database: &tokio_postgres::Config,
    event: LambdaEvent<Value>,
) -> Result<Report, lambda_runtime::Diagnostic> {
    let request = Request::parse(event.payload)?;
    let time = shared::telemetry::time_left(event.context.deadline);
    let report = run::run(database, &request, time).await?;
    shared::telemetry::info("migrate", &report);
    Ok(report)
}
