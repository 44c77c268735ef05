//! The documentation in a real browser, and a TypeScript client made from `openapi.json`.

use std::{ffi::OsStr, fs, path::PathBuf};

use shared::routes::ROUTES;
use tokio::process::Command;

use crate::{
    settings::{Settings, root},
    token, tools,
    ui::{Failure, step},
};

/// The user of `events/fixture.sql` who tries the documentation.
const USER: i32 = 1;

fn folder() -> PathBuf {
    root().join("tests").join("browser")
}

/// Installs the packages of the tests, unless they are.
pub(crate) async fn prepare() -> Result<(), Failure> {
    tools::node()?;
    tools::chromium().await?;
    let (lock, installed) = (folder().join("package-lock.json"), folder().join("node_modules").join("installed.json"));
    if fs::read(&lock)? == fs::read(&installed).unwrap_or_default() {
        return Ok(());
    }
    step("Installing the packages of the browser tests");
    run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).await?;
    fs::copy(lock, installed)?;
    Ok(())
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

async fn run<const N: usize>(program: &str, arguments: [&str; N]) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(arguments.map(OsStr::new)).env("CHROMIUM", tools::chromium().await?).current_dir(folder());
    let status = command.kill_on_drop(true).status().await?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`{program} {}` failed", arguments.first().unwrap_or(&""))))
    }
}
