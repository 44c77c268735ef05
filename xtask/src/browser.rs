//! The documentation and a page that signs in, in a real browser, and a TypeScript client made from `openapi.json`.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};

use crate::{
    better_auth::{self, BetterAuth},
    demo,
    lambda::{Output, Watch},
    postgres::{Server, free_port},
    settings::{Settings, root},
    token, tools,
    ui::print,
};
use shared::routes::ROUTES;

/// The user of `events/fixture.sql` who tries the documentation.
const USER: &str = "1";

fn folder() -> PathBuf {
    root().join("tests").join("browser")
}

/// Installs what the tests need.
pub(crate) async fn prepare() -> Result<()> {
    tools::node().await?.install(&folder()).await?;
    better_auth::prepare().await
}

/// Makes a client from `openapi.json` and type-checks a program that uses it.
pub(crate) async fn client() -> Result<()> {
    let openapi_typescript = "node_modules/openapi-typescript/bin/cli.js";
    run(&[openapi_typescript, "../../openapi.json", "-o", "schema.d.ts"]).await?;
    run(&["node_modules/typescript/bin/tsc", "-p", "."]).await?;
    print("test browser::a_generated_client_type_checks ... ok");
    Ok(())
}

/// Renders a page, and answers the version of the browser.
pub(crate) async fn renders() -> Result<String> {
    let chromium = tools::chromium().await?;
    let mut command = tools::node().await?.command();
    command.env("CHROMIUM", chromium.program).envs(chromium.variables).arg("renders.mjs").current_dir(folder());
    let output = command.stderr(Stdio::inherit()).output().await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    bail!("Chromium renders no page")
}

/// Uses the documentation of the API on a port.
pub(crate) async fn documentation(port: u16, settings: &Settings) -> Result<()> {
    let (base, user) = (format!("http://127.0.0.1:{port}"), USER.to_owned());
    let (token, routes) = (token::mint(settings, USER, 1)?, ROUTES.len().to_string());
    run_with_chromium(&["docs.mjs", &base, &user, &token, &routes]).await
}

/// Signs in at a real Better Auth from a page, and works on tasks with the token; and tries the same
/// from a page whose origin is not allowed.
pub(crate) async fn sign_in(server: &Server) -> Result<()> {
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
    let base = format!("http://127.0.0.1:{port}");
    run_with_chromium(&["sign-in.mjs", &base, &better_auth::url(issuer_port), &page_port]).await
}

/// Runs a program of `tests/browser`.
async fn run(words: &[&str]) -> Result<()> {
    let mut command = tools::node().await?.command();
    let status = command.args(words).current_dir(folder()).status().await?;
    if status.success() { Ok(()) } else { bail!("`node {}` failed", words.join(" ")) }
}

/// Runs a program that uses Chromium.
async fn run_with_chromium(words: &[&str]) -> Result<()> {
    let chromium = tools::chromium().await?;
    let mut command = tools::node().await?.command();
    command.env("CHROMIUM", chromium.program).envs(chromium.variables);
    let status = command.args(words).current_dir(folder()).status().await?;
    if status.success() { Ok(()) } else { bail!("`node {}` failed", words.join(" ")) }
}
