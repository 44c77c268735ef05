//! Faults under load: clients call the real functions while everything below them breaks, and
//! what they were told is compared with what is in the database afterwards.
//!
//! `cargo xtask faults` starts the program of this package. The same seed makes the same plans of requests and faults.

mod check;
mod client;
mod creates;
mod evidence;
mod history;
mod inject;
mod plan;
mod record;
mod suite;
mod table;
mod test_bed;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use devtools::{
    postgres::{Cluster, Server, ServerKind},
    small_disk::SmallDisk,
    tools::system::Package,
    ui::step,
};
use tests::identity::Identity;

use suite::Suite;
use test_bed::Machine;

/// The name of the server's data.
const DATA: &str = "faults";

/// How many requests are planned, unless the user says it.
const LONG: usize = 100_000;
const SHORT: usize = 4000;

/// The options of the command.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// How many requests to plan, for all faults together (default: 100000, with --short 4000).
    #[arg(long)]
    requests: Option<usize>,
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
    /// The short form, which is a part of every test run.
    #[must_use]
    pub fn short() -> Self {
        Self { short: true, ..Self::default() }
    }

    /// The arguments with which the program gets these options.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let Self { requests, seed, short, users, only } = self;
        let mut arguments = Vec::new();
        if *short {
            arguments.push("--short".to_owned());
        }
        let requests = requests.map(|requests| requests.to_string());
        let numbers = [("requests", requests), ("seed", seed.map(|seed| seed.to_string()))];
        let others = [("users", users.map(|users| users.to_string())), ("only", Some(only.clone()))];
        for (name, value) in numbers.into_iter().chain(others) {
            arguments.extend(value.map(|value| format!("--{name}={value}")));
        }
        arguments
    }
}

/// Runs the suite on a server that it starts, and prints what came of it. Whether everything was as promised.
///
/// # Errors
/// When the server does not start.
pub async fn run(options: &Options) -> Result<bool> {
    // The suite tests that a crash loses nothing, so this server writes everything to the disk, unlike the tests'
    // server. Data of an earlier run are of no use.
    Cluster::named(DATA).await?.reset()?;
    // Declared before the server, and so dropped after it: the server has files there.
    let disk = SmallDisk::mount();
    let server = Server::start(DATA, ServerKind::Durable).await?;
    let machine = Machine {
        control: server.control_command(),
        pgbouncer: Package::PgBouncer.find().map(|program| server.run_as(&program)),
        small_disk: disk.as_ref().map(|disk| disk.folder_of(&server)).transpose()?,
    };
    tests::postgres::use_server(&server.url("postgres"));
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    let seed = options.seed.unwrap_or(since_1970.as_secs());
    let users = options.users.unwrap_or(seed % 3);
    let suite = Suite {
        requests: options.requests.unwrap_or(if options.short { SHORT } else { LONG }),
        seed,
        long: !options.short,
        only: options.only.clone(),
        identity: Identity::EACH[usize::try_from(users).context("the kind of users")?],
    };
    step(&format!("Breaking everything: {} requests, seed {seed}", suite.requests));
    Ok(suite.run(machine).await)
}

#[cfg(test)]
mod option_tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn arguments_give_the_program_the_same_options() {
        let all = Options { requests: Some(5), seed: Some(7), short: true, users: Some(2), only: "-a b".into() };
        for options in [all, Options::short(), Options::default()] {
            let arguments = options.arguments();
            let parsed = Cli::try_parse_from(["faults".to_owned()].into_iter().chain(arguments)).unwrap();
            assert_eq!(parsed.options, options);
        }
    }
}
