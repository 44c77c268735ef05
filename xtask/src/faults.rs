//! `cargo xtask faults`: builds the functions and the fault suite, and starts the suite, which is a separate
//! program.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use devtools::{
    build,
    process::end,
    settings::target,
    signal::{self, Signal},
    tools,
};
use faults::Options;
use tokio::process::{Child, Command};

/// The time limit for the suite to stop its server and functions.
const STOP: Duration = Duration::from_secs(30);

/// Runs the suite. Fails when the suite found a broken promise.
pub(crate) async fn run(options: &Options) -> Result<()> {
    build::debug().await?;
    let program = target().join("debug/faults");
    let mut command = Command::new(&program);
    command.args(options.arguments()).args(["--postgres", &tools::postgres_version().to_string()]);
    let suite = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
    let mut suite = Suite(suite.with_context(|| program.display().to_string())?);
    if suite.0.wait().await?.success() {
        return Ok(());
    }
    bail!("Not everything was as promised; see above.")
}

/// The running suite. Dropping this asks the suite to end, so that it stops the programs that it has started.
struct Suite(Child);

impl Drop for Suite {
    fn drop(&mut self) {
        end(&mut self.0, |id| signal::send(id, Signal::SIGTERM), STOP);
    }
}
