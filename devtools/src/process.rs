//! Programs that a command starts: waiting until they listen, and ending them.

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

/// How long a program may take to listen.
const START: Duration = Duration::from_mins(1);

/// How long the processes of a group may take to stop.
const STOP: Duration = Duration::from_secs(5);

/// How often a program is looked at while something waits for it.
const INTERVAL: Duration = Duration::from_millis(20);

/// A running program. The program and all processes that it has started stop when this is dropped.
pub struct Group(Child);

impl Group {
    /// Starts a program.
    pub fn start(command: &mut Command) -> Result<Self> {
        // In a group of its own, so that a Ctrl-C reaches this process only, which then stops everything in order.
        command.as_std_mut().process_group(0);
        command.spawn().map(Self).with_context(|| command.as_std().get_program().display().to_string())
    }

    /// Waits until the program listens on a port of a host. `what` names the program in messages.
    pub async fn wait_until_it_listens(&mut self, what: &str, host: &str, port: u16) -> Result<()> {
        wait_until_it_listens(&mut self.0, what, (host, port), START).await
    }

    /// Waits until the program ends.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait().await?)
    }
}

impl Drop for Group {
    /// Asks all of them to end, and kills those that do not.
    fn drop(&mut self) {
        let Some(id) = self.0.id() else { return };
        end(&mut self.0, |id| signal::send_to_group(id, Signal::SIGINT), STOP);
        signal::send_to_group(id, Signal::SIGKILL);
    }
}

/// Waits until a program listens on a port of a host, and fails when it ends before or does not listen within `limit`.
/// `what` names the program in messages.
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

/// Asks a program to end, and waits until it has ended, but no longer than `patience`. `ask` gets the program's id and
/// says whether the signal was sent.
///
/// It blocks, so that a destructor can call it.
pub fn end(child: &mut Child, ask: impl FnOnce(u32) -> bool, patience: Duration) {
    let Some(id) = child.id() else { return };
    let asked = ask(id);
    let end = Instant::now() + patience;
    while asked && Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(INTERVAL);
    }
}

/// Waits until the user presses Ctrl-C, or this process is asked to end in another way.
pub async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
