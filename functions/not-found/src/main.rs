//! `$default`: what no route matches. 404, 405 and 307 as Starlette has them, and the CORS
//! preflight where the gateway does not answer it.

use std::process::ExitCode;

use shared::{
    Result,
    http::{Request, Response, preflight, unmatched},
    serve,
};

async fn handle((): &(), request: &Request) -> Result<Response> {
    preflight(request).map_or_else(|| Err(unmatched(request)), Ok)
}

fn main() -> ExitCode {
    serve("not-found", handle)
}
