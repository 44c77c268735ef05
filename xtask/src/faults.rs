//! `cargo xtask faults`: the functions under load while everything below them breaks, and then the
//! database compared with what their clients were told.

use std::{
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, anyhow, bail};
use devtools::{
    build,
    postgres::{Cluster, Server, ServerKind},
    process::end,
    settings::{cargo, root, target},
    signal::{self, Signal},
    small_disk::SmallDisk,
    tools::system::Package,
    ui::{bar, print, step},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The name of the data.
const DATA: &str = "faults";

/// How many requests the forms plan unless told otherwise.
const LONG: u64 = 100_000;
const SHORT: u64 = 4000;

/// How many kinds of fault there are, for the bar.
const KINDS: usize = 18;

/// How many kinds of users there are.
const KINDS_OF_USERS: u64 = 3;

/// The options of the command.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// How many requests to plan, for all faults together (default: 100000, with --short 4000).
    #[arg(long)]
    requests: Option<u64>,
    /// The seed of requests and faults, to make the same plans again (default: the time).
    #[arg(long)]
    seed: Option<u64>,
    /// Take a minute instead of a quarter of an hour.
    #[arg(long)]
    short: bool,
    /// The kind of users: 0 has integer ids in Better Auth's table, 1 texts in another table, 2 UUIDs in none
    /// (default: by the seed)
    #[arg(long, value_name = "KIND", value_parser = clap::value_parser!(u64).range(0..3))]
    users: Option<u64>,
    /// Only the faults with this in their name.
    #[arg(long, value_name = "FAULT", default_value = "")]
    only: String,
}

impl Options {
    /// What every test run does.
    pub(crate) fn short() -> Self {
        Self { short: true, ..Self::default() }
    }
}

/// Runs the suite, and answers how many kinds of fault passed.
pub(crate) async fn run(options: &Options) -> Result<usize> {
    build::debug().await?;
    let example = ["build", "--example", "faults"];
    let status = cargo("cargo").args(example).current_dir(root()).status().await?;
    if !status.success() {
        bail!("The fault suite does not build.");
    }
    // What was promised to be kept has to survive a crash: nothing of an earlier run is of use here,
    // and unlike the tests' server this one writes through to the disk.
    Cluster::named(DATA).await?.reset()?;
    // Dropped after the server, whose files are on it.
    let disk = SmallDisk::mount();
    let server = Server::start(DATA, ServerKind::Durable).await?;
    let tablespace = disk.as_ref().map(|disk| disk.folder_of(&server)).transpose()?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = options.seed.unwrap_or(since_1970.as_secs());
    let requests = options.requests.unwrap_or(if options.short { SHORT } else { LONG });
    let form = if options.short { "short" } else { "long" };
    step(&format!("Breaking everything: {requests} requests, seed {seed}"));
    let mut command = Command::new(target().join("debug/examples/faults"));
    let users = options.users.unwrap_or(seed % KINDS_OF_USERS);
    command.args([&requests.to_string(), &seed.to_string(), form, &options.only, &users.to_string()]);
    command
        .env("TEST_DATABASE_URL", server.url("postgres"))
        .env("TEST_POSTGRES_CONTROL", serde_json::to_string(&server.control_command())?);
    if let Some(pgbouncer) = Package::PgBouncer.find() {
        command.env("TEST_PGBOUNCER", serde_json::to_string(&server.run_as(&pgbouncer))?);
    }
    if let Some(folder) = &tablespace {
        command.env("TEST_SMALL_DISK", folder);
    }
    let mut suite = Suite(command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?);
    let mut passed = None;
    let bar = bar("Breaking everything", KINDS);
    if let Some(output) = suite.0.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            // One for each fault, after a heading.
            if line.starts_with(|char: char| char.is_lowercase()) {
                bar.inc(1);
            }
            print(&line);
            passed = line.split_once(" passed, 0 failed").and_then(|(count, _)| count.parse().ok()).or(passed);
        }
    }
    bar.finish_and_clear();
    let status = suite.0.wait().await?;
    passed.filter(|_| status.success()).ok_or_else(|| anyhow!("Not everything was as promised; see above."))
}

/// The running suite. It is asked to end when this is dropped, so that it can end what it started.
struct Suite(Child);

impl Drop for Suite {
    fn drop(&mut self) {
        end(&mut self.0, |id| signal::send(id, Signal::SIGTERM), Duration::from_secs(5));
    }
}
