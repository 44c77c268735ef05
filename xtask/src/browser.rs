//! The documentation and a page that signs in, in a real browser, and a TypeScript client made from `openapi.json`.

use std::path::PathBuf;

use shared::routes::ROUTES;
use tokio::process::Command;

use crate::{
    better_auth::{self, BetterAuth},
    demo,
    lambda::{Output, Watch},
    node,
    postgres::{Server, free_port},
    settings::{Settings, root},
    token, tools,
    ui::{Context, Failure, step},
};

/// The user of `events/fixture.sql` who tries the documentation.
const USER: i32 = 1;

fn folder() -> PathBuf {
    root().join("tests").join("browser")
}

/// Installs what the tests need.
pub(crate) async fn prepare() -> Result<(), Failure> {
    tools::chromium().await?;
    node::install(&folder()).await?;
    better_auth::prepare().await
}

/// Makes a client from `openapi.json` and type-checks a program that uses it.
pub(crate) async fn client() -> Result<(), Failure> {
    step("Type-checking a TypeScript client");
    run("npx", ["openapi-typescript", "../../openapi.json", "-o", "schema.d.ts"]).await?;
    run("npx", ["tsc", "-p", "."]).await?;
    println!("test browser::a_generated_client_type_checks ... ok");
    Ok(())
}

/// Uses the documentation of the API on a port.
pub(crate) async fn documentation(port: u16, settings: &Settings) -> Result<(), Failure> {
    step("Using the documentation in a browser");
    let (base, user) = (format!("http://127.0.0.1:{port}"), USER.to_string());
    let (token, routes) = (token::mint(settings, USER, 1)?, ROUTES.len().to_string());
    run("node", ["docs.mjs", &base, &user, &token, &routes]).await
}

/// Signs in at a real Better Auth from a page, and works on tasks with the token; and tries the same
/// from a page whose origin is not allowed.
pub(crate) async fn sign_in(server: &Server) -> Result<(), Failure> {
    const DATABASE: &str = "sign_in";
    let client = demo::connect(&Settings::of_events(&server.url("postgres"))).await?;
    client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await.context(DATABASE)?;
    let (port, issuer_port, page_port) = (free_port()?, free_port()?, free_port()?.to_string());
    let mut settings = Settings::of_events(&server.url(DATABASE));
    settings.set("CORS_ORIGINS", &format!("http://localhost:{page_port}"));
    settings.set("BETTER_AUTH_URL", &better_auth::url(issuer_port));
    let watch = Watch::start(port, &settings, Output::File).await?;
    watch.migrate().await?;
    let _issuer = BetterAuth::start(issuer_port, &settings).await?;
    step("Signing in with a browser");
    let base = format!("http://127.0.0.1:{port}");
    run("node", ["sign-in.mjs", &base, &better_auth::url(issuer_port), &page_port]).await
}

async fn run<const N: usize>(program: &str, arguments: [&str; N]) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.env("CHROMIUM", tools::chromium().await?).current_dir(folder());
    node::run(&mut command, arguments).await
}
