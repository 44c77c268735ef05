//! Programs that a command starts: waiting until they listen, and stopping them.

use std::{
    os::unix::process::CommandExt,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

use crate::signal::{self, Signal};

/// The time limit for a program to listen.
const START: Duration = Duration::from_mins(1);

/// The time limit for the processes of a group to stop.
const STOP: Duration = Duration::from_secs(5);

/// How often a program's state is checked while something waits for it.
const INTERVAL: Duration = Duration::from_millis(20);

/// A running program. When this is dropped, the program and all processes that it has started stop.
pub struct Group(Child);

impl Group {
    /// Starts a program.
    pub fn start(command: &mut Command) -> Result<Self> {
        // A separate group, so that Ctrl-C reaches only this process, which then stops the others in order.
        command.as_std_mut().process_group(0);
        command.spawn().map(Self).with_context(|| command.as_std().get_program().display().to_string())
    }

    /// Waits until the program listens on a port of a host. `what` is the program's name in messages.
    pub async fn wait_until_it_listens(&mut self, what: &str, host: &str, port: u16) -> Result<()> {
        wait_until_it_listens(&mut self.0, what, (host, port), START).await
    }

    /// Waits until the program ends.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait().await?)
    }
}

impl Drop for Group {
    /// Asks all processes of the group to end, and kills those that do not.
    fn drop(&mut self) {
        let Some(id) = self.0.id() else { return };
        end(&mut self.0, |id| signal::send_to_group(id, Signal::SIGINT), STOP);
        signal::send_to_group(id, Signal::SIGKILL);
    }
}

/// Waits until a program listens on a port of a host. Fails when the program ends first, or does not listen within
/// `limit`. `what` is the program's name in messages.
pub async fn wait_until_it_listens(
    child: &mut Child,
    what: &str,
    (host, port): (&str, u16),
    limit: Duration,
) -> Result<()> {
    let end = Instant::now() + limit;
    while TcpStream::connect((host, port)).await.is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("{what} ended: {status}");
        }
        if Instant::now() > end {
            bail!("{what} does not listen on port {port} after {limit:?}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

/// Asks a program to end, and waits at most `patience` for that. `ask` gets the program's id, and returns whether
/// the signal was sent.
///
/// This blocks, so that a destructor can call it.
pub fn end(child: &mut Child, ask: impl FnOnce(u32) -> bool, patience: Duration) {
    let Some(id) = child.id() else { return };
    let asked = ask(id);
    let end = Instant::now() + patience;
    while asked && Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(INTERVAL);
    }
}

/// Waits until the user presses Ctrl-C, or this process gets another signal to end.
pub async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
