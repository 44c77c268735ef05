//! Tests in a real browser of the documentation, of a page that signs in and of the example application, and a
//! TypeScript client made from `openapi.json`.

use std::{env, path::PathBuf, process::Stdio};

use anyhow::{Result, bail};
use devtools::{
    postgres::{self, Server, free_port},
    settings::{Settings, root},
    token, tools,
    ui::print,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{
    better_auth::{self, BetterAuth},
    frontend::{self, Frontend, Mode},
    lambda::{LOCALHOST, Output, Watch},
};
use shared::routes::ROUTES;

/// The user of `events/fixture.sql` that tries the documentation.
const USER: &str = "1";

fn folder() -> PathBuf {
    root().join("tests").join("browser")
}

/// Installs the packages that the tests need.
pub(crate) async fn prepare() -> Result<()> {
    tools::node().await?.install(&folder()).await?;
    frontend::prepare().await?;
    better_auth::prepare().await
}

/// Makes a client from `openapi.json` and type-checks a program that uses it.
pub(crate) async fn client() -> Result<usize> {
    let openapi_typescript = "node_modules/openapi-typescript/bin/cli.js";
    run(&[openapi_typescript, "../../openapi.json", "-o", "schema.d.ts"]).await?;
    run(&["node_modules/typescript/bin/tsc", "-p", "."]).await?;
    print("test browser::a_generated_client_type_checks ... ok");
    Ok(1)
}

/// Renders a page, and returns the browser's version.
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

/// Uses the documentation of the API that listens on a port.
pub(crate) async fn documentation(port: u16, settings: &Settings) -> Result<usize> {
    let (base, user) = (format!("http://127.0.0.1:{port}"), USER.to_owned());
    let (token, routes) = (token::mint(settings, USER, 1)?, ROUTES.len().to_string());
    run_with_chromium(&["docs.mjs", &base, &user, &token, &routes]).await
}

/// Signs in at a real Better Auth from a page, and works on tasks with the token. Then tries the same from a page
/// with an origin that is not allowed.
pub(crate) async fn sign_in(server: &Server) -> Result<usize> {
    const DATABASE: &str = "sign_in";
    postgres::create_database(server, DATABASE).await?;
    let (port, issuer_port, page_port) = (free_port()?, free_port()?, free_port()?.to_string());
    let mut settings = Settings::of_events(&server.url(DATABASE));
    settings.set("CORS_ORIGINS", &format!("http://localhost:{page_port}"));
    settings.set("BETTER_AUTH_URL", &better_auth::url(issuer_port));
    let watch = Watch::start(LOCALHOST, port, &settings, Output::File).await?;
    watch.migrate().await?;
    let _issuer = BetterAuth::start(issuer_port, &settings).await?;
    let base = format!("http://127.0.0.1:{port}");
    run_with_chromium(&["sign-in.mjs", &base, &better_auth::url(issuer_port), &page_port]).await
}

/// Uses the application in `examples/nextjs` in its production build, for users with text ids. If the variable
/// `PICTURES` names a folder, screenshots go there.
pub(crate) async fn application(server: &Server) -> Result<usize> {
    const DATABASE: &str = "application";
    frontend::build().await?;
    postgres::create_database(server, DATABASE).await?;
    let (port, app_port) = (free_port()?, free_port()?);
    let (api, app) = (format!("http://127.0.0.1:{port}"), format!("http://localhost:{app_port}"));
    let mut settings = Settings::of_events(&server.url(DATABASE));
    settings.set("USER_IDS", "text");
    settings.set("CORS_ORIGINS", &app);
    settings.set("BETTER_AUTH_URL", &app);
    let watch = Watch::start(LOCALHOST, port, &settings, Output::File).await?;
    watch.migrate().await?;
    let _frontend = Frontend::start(Mode::Test, "localhost", app_port, &api, &settings).await?;
    frontend::check_client(&api).await?;
    let pictures = env::var("PICTURES").unwrap_or_default();
    run_with_chromium(&["frontend.mjs", &app, &api, &pictures]).await
}

/// Runs a program of `tests/browser`, and returns how many of its tests passed.
async fn run(words: &[&str]) -> Result<usize> {
    run_command(tools::node().await?.command(), words).await
}

/// Runs a program that uses Chromium.
async fn run_with_chromium(words: &[&str]) -> Result<usize> {
    let chromium = tools::chromium().await?;
    let mut command = tools::node().await?.command();
    command.env("CHROMIUM", chromium.program).envs(chromium.variables);
    run_command(command, words).await
}

async fn run_command(mut command: Command, words: &[&str]) -> Result<usize> {
    let mut child = command.args(words).current_dir(folder()).stdout(Stdio::piped()).spawn()?;
    let mut passed = 0;
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            print(&line);
            passed += usize::from(line.starts_with("test ") && line.ends_with(" ... ok"));
        }
    }
    if child.wait().await?.success() { Ok(passed) } else { bail!("`node {}` failed", words.join(" ")) }
}
