//! `cargo xtask doctor`: checks that all programs that the commands need run on this machine.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result};
use devtools::{
    postgres::{Server, ServerKind, free_port},
    process::wait_until_it_listens,
    tools::{Sam, cargo_lambda, chromium, issuers, node, postgres, sam, schemathesis, system, workflow_checks, zig},
    ui::{print, step},
};
use tokio::{process::Command, try_join};

use crate::browser;

/// The time limit for the emulator to listen.
const START: Duration = Duration::from_secs(10);

/// Installs every program, and runs each once.
pub(crate) async fn run() -> Result<()> {
    let not_tested = system::prepare().await?;
    let (_, _, node, _, _, _, _, _, sam, ()) = try_join!(
        cargo_lambda(),
        workflow_checks(),
        node(),
        postgres(),
        chromium(),
        zig(),
        schemathesis(),
        issuers(),
        sam(),
        browser::prepare(),
    )?;
    step("Starting a Postgres with TLS");
    let server = Server::start("doctor", ServerKind::Encrypted).await?;
    let version = server.version_over_tls().await.context("Postgres does not answer over TLS")?;
    drop(server);
    step("Rendering a page in Chromium");
    let browser = browser::renders().await?;
    step("Starting Lambda's emulator");
    emulator(&sam).await?;
    print(format!(
        "cargo-lambda, Zig, AWS SAM and Schemathesis run.\nNode.js {} runs.\nPostgres {version} speaks TLS.\nChromium \
         {browser} renders a page.\nLambda's emulator listens.",
        node.version().await?,
    ));
    if !not_tested.is_empty() {
        print("Everything else is as it should be.");
    }
    Ok(())
}

async fn emulator(sam: &Sam) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        print("Lambda's emulator runs on x86-64 Linux only.");
        return Ok(());
    }
    let (port, runtime_port) = (free_port()?, free_port()?);
    let mut emulator = Command::new(&sam.emulator)
        .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")])
        .args(["--runtime-api-address", &format!("127.0.0.1:{runtime_port}"), "/bin/true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| sam.emulator.display().to_string())?;
    wait_until_it_listens(&mut emulator, "Lambda's emulator", ("127.0.0.1", port), START).await
}
