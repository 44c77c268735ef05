//! A program with all the processes that it starts.

use std::{
    net::TcpStream,
    os::unix::process::CommandExt,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tests::signal::{self, Signal};
use tokio::process::{Child, Command};

/// How long a program may take to listen.
const START: Duration = Duration::from_mins(1);

/// How long the processes may take to stop.
const STOP: Duration = Duration::from_secs(5);

/// A running program. It and what it has started stop when this is dropped.
pub(crate) struct Group(Child);

impl Group {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        // A group of its own: a Ctrl-C is for this process, which then stops everything in order.
        command.as_std_mut().process_group(0);
        command.spawn().map(Self).with_context(|| command.as_std().get_program().display().to_string())
    }

    /// Waits until something listens on a port of a host, which the program is to do. `what` is the program, for people.
    pub(crate) async fn wait_until_it_listens(&mut self, what: &str, host: &str, port: u16) -> Result<()> {
        let end = Instant::now() + START;
        while TcpStream::connect((host, port)).is_err() {
            if let Some(status) = self.0.try_wait()? {
                bail!("{what} ended: {status}");
            }
            if Instant::now() > end {
                bail!("{what} does not listen on port {port} after {START:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until the program ends.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait().await?)
    }
}

impl Drop for Group {
    /// Asks all of them to end, and insists when they do not.
    fn drop(&mut self) {
        let Some(id) = self.0.id() else { return };
        signal::send_to_group(id, Signal::SIGINT);
        let end = Instant::now() + STOP;
        while Instant::now() < end && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        signal::send_to_group(id, Signal::SIGKILL);
    }
}
