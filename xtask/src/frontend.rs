//! The application in `examples/nextjs`.

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

/// How it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Changed code is built and used by the next request.
    Development,
    /// What [`build`] has built, without the limit on how often a client may sign in. Its words go to a file.
    Test,
}

fn folder() -> PathBuf {
    root().join("examples/nextjs")
}

/// Installs what it needs.
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

/// Makes its client's types from a description of the API.
pub(crate) async fn generate(description: &Path) -> Result<()> {
    prepare().await?;
    step("Writing examples/nextjs/lib/schema.d.ts");
    let description = description.display().to_string();
    run(&[OPENAPI_TYPESCRIPT, &description, "--output", "lib/schema.d.ts"], None).await
}

/// Builds it for production.
pub(crate) async fn build() -> Result<()> {
    waiting("Building the application in examples/nextjs", run(&[NEXT, "build"], None)).await
}

/// Checks that its client is the one that the API at an address describes.
pub(crate) async fn check_client(api: &str) -> Result<()> {
    let description = format!("{api}/openapi.json");
    let generate = [OPENAPI_TYPESCRIPT, &description, "--output", "lib/schema.d.ts"];
    run(&[&generate[..], &["--check"]].concat(), None)
        .await
        .context("lib/schema.d.ts is old: run `cargo xtask generate`")
}

impl Frontend {
    /// Starts it on a port, at the address that the settings have as `BETTER_AUTH_URL`. The API's migration must
    /// have ended.
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
            // What it says about itself would hide what `dev` has to say; what is wrong goes to the other stream.
            command.stdout(Stdio::null());
        }
        let mut frontend = Self { group: Group::start(&mut command)? };
        // By its name, which can stand for 127.0.0.1, for ::1, or for both.
        frontend.group.wait_until_it_listens("the application in examples/nextjs", host, port).await?;
        Ok(frontend)
    }
}
