//! `GET /health`: checks that the API reaches its database, and that the database is set up. `GET /health?live`
//! checks only that the function answers, so that a monitor does not keep a database awake that would suspend.

use std::process::ExitCode;

use shared::{
    OnDemand, Result,
    http::{Request, Response},
    serve,
};

async fn handle(db: &OnDemand, request: &Request) -> Result<Response> {
    if !request.query().any(|(name, _)| name == "live") {
        db.0.health().await?;
    }
    Ok(Response::health())
}

fn main() -> ExitCode {
    serve("health", handle)
}
