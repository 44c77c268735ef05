//! A process of a function, as Lambda would start it, and what the kernel counts of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow};
use devtools::{
    settings::target,
    signal::{self, Signal},
};
use tokio::{
    process::{Child, Command},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::runtime::{Answer, Arrival, Runtime, TIMEOUT};

/// How to start a process.
#[derive(Clone, Default)]
pub(crate) struct Launch {
    /// Its name in messages, and of its log file.
    pub(crate) name: String,
    /// A program that runs the function, with its arguments; the function's binary follows.
    pub(crate) under: Vec<String>,
    pub(crate) binary: PathBuf,
    /// The variables besides Lambda's own.
    pub(crate) variables: Vec<(String, String)>,
}

/// A running process.
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    pid: u32,
    runtime: Runtime,
    arrivals: UnboundedReceiver<Arrival>,
    /// How many invocations it waits for.
    waiting: usize,
    started: Instant,
    child: Child,
}

/// A call that was answered.
pub(crate) struct Call {
    /// Until the answer was there.
    pub(crate) took: Duration,
    /// When it was.
    pub(crate) answered: Instant,
    /// Until the function asked for the next invocation, which is what Lambda bills.
    pub(crate) done: Duration,
    /// The answer.
    pub(crate) body: Vec<u8>,
}

impl Process {
    /// Starts a function. It is not ready yet.
    pub(crate) async fn start(launch: &Launch) -> Result<Self> {
        let (sender, arrivals) = unbounded_channel();
        let runtime = Runtime::start(sender).await?;
        let folder = target().join("bench").join("log");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let log = folder.join(format!("{}.log", launch.name.replace(' ', "-")));
        // To a file and not to a pipe, so that this program does not have to read while a call is measured.
        let output = fs::File::create(&log).with_context(|| log.display().to_string())?;
        let mut words = launch.under.iter().map(Path::new).chain([launch.binary.as_path()]);
        let program = words.next().unwrap_or(&launch.binary);
        let mut command = Command::new(program);
        command
            .args(words)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", &runtime.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", &launch.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .envs(launch.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn().with_context(|| program.display().to_string())?;
        let pid = child.id().unwrap_or_default();
        Ok(Self { name: launch.name.clone(), log, pid, runtime, arrivals, waiting: 0, started, child })
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The moment before it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Waits until the function asks for an invocation.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        while self.waiting == 0 {
            if self.arrival().await?.is_some() {
                return Err(self.failure("it answered without being asked"));
            }
        }
        Ok(())
    }

    /// Calls the function, and waits until it is ready for the next call.
    pub(crate) async fn call(&mut self, payload: String) -> Result<Call> {
        self.ready().await?;
        self.send(payload);
        let Answer { took, sent, body, .. } = self.answer().await?;
        self.ready().await?;
        Ok(Call { took, answered: sent + took, done: sent.elapsed(), body })
    }

    /// Sends an invocation and does not wait for its answer.
    pub(crate) fn send(&mut self, payload: String) {
        self.runtime.invoke(payload);
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Waits for the next answer.
    pub(crate) async fn answer(&mut self) -> Result<Answer> {
        loop {
            match self.arrival().await? {
                Some(answer) if answer.failed => {
                    let error = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(self.failure(&error));
                }
                Some(answer) => return Ok(answer),
                None => {}
            }
        }
    }

    /// How many invocations the function waits for, a moment after it was seen to wait for one.
    pub(crate) async fn pollers(&mut self) -> Result<usize> {
        self.ready().await?;
        let end = Instant::now() + Duration::from_millis(200);
        while let Ok(arrived) = timeout(end.saturating_duration_since(Instant::now()), self.arrival()).await {
            arrived?;
        }
        Ok(self.waiting)
    }

    async fn arrival(&mut self) -> Result<Option<Answer>> {
        let ended = tokio::select! {
            biased;
            arrival = self.arrivals.recv() => match arrival {
                Some(Arrival::Asked) => {
                    self.waiting += 1;
                    return Ok(None);
                }
                Some(Arrival::Answered(answer)) => return Ok(Some(answer)),
                Some(Arrival::Ended(why)) => why,
                None => "its Runtime API ended".into(),
            },
            status = self.child.wait() => format!("it ended: {}", status?),
            () = tokio::time::sleep(TIMEOUT) => format!("nothing came of it within {TIMEOUT:?}"),
        };
        Err(self.failure(&ended))
    }

    fn failure(&self, why: &str) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        let lines: Vec<_> = lines.into_iter().rev().collect();
        anyhow!("{}: {why}\n{}", self.name, lines.join("\n"))
    }

    /// The CPU time that it has used so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.pid)
    }

    /// The most memory it ever had, in kibibytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or_else(|| anyhow!("{path} has no VmHWM"))
    }

    /// Closes the Runtime API, so that the process ends by itself, and waits until it has.
    pub(crate) async fn end(self) -> Result<()> {
        let Self { name, runtime, mut child, .. } = self;
        drop(runtime);
        timeout(TIMEOUT, child.wait()).await.with_context(|| format!("{name} did not end"))??;
        Ok(())
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        signal::send(self.pid, Signal::SIGTERM);
        self.child.wait().await?;
        Ok(())
    }
}

/// The CPU time that all threads of a process have used so far, in the kernel and outside. The first
/// number of `schedstat` is in nanoseconds; `stat` has hundredths of seconds.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let mut nanoseconds = 0;
    for thread in fs::read_dir(&folder).with_context(|| folder.clone())? {
        let path = thread?.path().join("schedstat");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        nanoseconds += text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}
