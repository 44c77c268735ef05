//! `GET /docs` and `GET /openapi.json`: the documentation of the API, for people and for programs.

use std::{process::ExitCode, sync::LazyLock};

use shared::{
    Description, Error, Result,
    http::{ConstantBody, Request, Response},
    serve,
};

/// The documentation page, as text and compressed.
static PAGE: LazyLock<ConstantBody> =
    LazyLock::new(|| ConstantBody::of_json(include_str!(concat!(env!("OUT_DIR"), "/page.json"))));
static COMPRESSED_PAGE: LazyLock<ConstantBody> =
    LazyLock::new(|| ConstantBody::of_base64_json(include_str!(concat!(env!("OUT_DIR"), "/page.gz.json"))));

async fn handle(description: &Description, request: &Request) -> Result<Response> {
    match request.path() {
        "/docs" if request.accepts_gzip() => Ok(Response::html_gzip(*COMPRESSED_PAGE)),
        "/docs" => Ok(Response::html(*PAGE)),
        "/openapi.json" => Ok(Response::document(description.body())),
        _ => Err(Error::RouteNotFound),
    }
}

fn main() -> ExitCode {
    serve("docs", handle)
}
