//! `GET /docs` and `GET /openapi.json`: the documentation of the API, for people and for programs.

use std::process::ExitCode;

use shared::{
    Description, Error, Result,
    http::{Request, Response},
    serve,
};

const PAGE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.html"));
const COMPRESSED_PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));

async fn handle(description: &Description, request: &Request) -> Result<Response> {
    match request.path() {
        "/docs" if request.accepts_gzip() => Ok(Response::html_gzip(COMPRESSED_PAGE)),
        "/docs" => Ok(Response::html(PAGE)),
        "/openapi.json" => Ok(Response::document(description.as_str())),
        _ => Err(Error::RouteNotFound),
    }
}

fn main() -> ExitCode {
    serve("docs", handle)
}
