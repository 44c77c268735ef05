//! The example application in `examples/nextjs`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use devtools::{
    process::Group,
    settings::{Settings, root, target},
    tools,
    ui::{step, waiting},
};
use tokio::process::Command;

const OPENAPI_TYPESCRIPT: &str = "node_modules/openapi-typescript/bin/cli.js";
const NEXT: &str = "node_modules/next/dist/bin/next";

/// A running application. It stops when this is dropped.
pub(crate) struct Frontend {
    group: Group,
}

/// The modes of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The next request builds and uses changed code.
    Development,
    /// The build of [`build`], without the limit on sign-ins per client. The output goes to a file.
    Test,
}

fn folder() -> PathBuf {
    root().join("examples/nextjs")
}

/// Installs the application's packages.
pub(crate) async fn prepare() -> Result<()> {
    tools::node().await?.install(&folder()).await
}

async fn node(words: &[&str]) -> Result<Command> {
    let mut command = tools::node().await?.command();
    command.args(words).current_dir(folder()).env("NEXT_TELEMETRY_DISABLED", "1");
    Ok(command)
}

async fn run(words: &[&str], settings: Option<&Settings>) -> Result<()> {
    let mut command = node(words).await?;
    for (name, value) in settings.into_iter().flat_map(Settings::variables) {
        command.env(name, value);
    }
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    bail!("{}\n`node {}` failed in examples/nextjs", String::from_utf8_lossy(&text), words.join(" "))
}

/// Writes the types of the application's client from a description of the API.
pub(crate) async fn generate(description: &Path) -> Result<()> {
    prepare().await?;
    step("Writing examples/nextjs/lib/schema.d.ts");
    let description = description.display().to_string();
    run(&[OPENAPI_TYPESCRIPT, &description, "--output", "lib/schema.d.ts"], None).await
}

/// Builds the application for production.
pub(crate) async fn build() -> Result<()> {
    waiting("Building the application in examples/nextjs", run(&[NEXT, "build"], None)).await
}

/// Checks that the application's client matches the description of the API at an address.
pub(crate) async fn check_client(api: &str) -> Result<()> {
    let description = format!("{api}/openapi.json");
    let generate = [OPENAPI_TYPESCRIPT, &description, "--output", "lib/schema.d.ts"];
    run(&[&generate[..], &["--check"]].concat(), None)
        .await
        .context("lib/schema.d.ts is old: run `cargo xtask generate`")
}

impl Frontend {
    /// Starts the application on a port, at the address that is `BETTER_AUTH_URL` in the settings. The API's
    /// migrations must be done.
    pub(crate) async fn start(mode: Mode, host: &str, port: u16, api: &str, settings: &Settings) -> Result<Self> {
        step("Making the tables of Better Auth");
        run(&["lib/migrate.ts"], Some(settings)).await?;
        step(&format!("Starting the application in examples/nextjs on {host}:{port}"));
        let word = if mode == Mode::Development { "dev" } else { "start" };
        let mut command = node(&[NEXT, word, "--hostname", host, "--port", &port.to_string()]).await?;
        command.envs(settings.variables()).env("API_URL", api);
        if mode == Mode::Test {
            let log = target().join("frontend.log");
            let file = fs::File::create(&log).with_context(|| log.display().to_string())?;
            command.env("RATE_LIMIT", "off").stdout(file.try_clone()?).stderr(file);
        } else {
            // Its standard output would hide that of `dev`. Its errors go to standard error.
            command.stdout(Stdio::null());
        }
        let mut frontend = Self { group: Group::start(&mut command)? };
        // Waits on the host's name, which may stand for 127.0.0.1, for ::1, or for both.
        frontend.group.wait_until_it_listens("the application in examples/nextjs", host, port).await?;
        Ok(frontend)
    }
}
