//! `GET /health`: whether the API can reach its database.

use std::process::ExitCode;

use shared::{
    Result,
    db::Db,
    http::{Request, Response},
    serve,
};

async fn handle(db: &Db, _: &Request) -> Result<Response> {
    db.health().await?;
    Ok(Response::health())
}

fn main() -> ExitCode {
    serve("health", handle)
}
