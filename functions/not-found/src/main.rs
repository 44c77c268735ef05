//! `$default`: requests that no route matches. Answers 404, 405 and 307 as Starlette does, and CORS preflights that
//! the gateway does not answer.

use std::process::ExitCode;

use shared::{
    Result,
    config::UsersTable,
    http::{Request, Response, fallback, preflight},
    serve,
};

async fn handle(users: &UsersTable, request: &Request) -> Result<Response> {
    preflight(request).map_or_else(|| Err(fallback(request, *users != UsersTable::None)), Ok)
}

fn main() -> ExitCode {
    serve("not-found", handle)
}
