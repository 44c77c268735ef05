//! `GET /health`: whether the API can reach its database, and has there what it needs. `GET /health?live` asks
//! only whether there is somebody to answer, so that a monitor does not keep a database awake that would
//! suspend.

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
