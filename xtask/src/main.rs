//! The developer commands.

mod bare;
mod better_auth;
mod browser;
mod demo;
mod dev;
#[cfg(test)]
mod docs;
mod doctor;
mod emulator;
mod events;
mod faults;
mod frontend;
mod generate;
mod lambda;
mod migration;
mod new_function;
mod replay;
mod smoke;
mod template;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use devtools::{
    build::{self, Processor},
    process::interrupted,
    settings::Settings,
    token, tools,
};
use emulator::Artefacts;

/// Runs, tests, builds and measures the task API.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the API on 127.0.0.1 over a local Postgres, or over the one that `DATABASE_URL` names, with a demo user
    Dev(dev::Options),
    /// Check and test everything, or a part
    Test(test::Options),
    /// Break everything below the functions while clients call them, and compare the database with what they were told
    Faults(::faults::Options),
    /// Replay the sample events in events/ and compare the answers
    Replay {
        /// Only this function's events
        function: Option<String>,
    },
    /// Build the artefacts to deploy into target/lambda, for arm64
    Build {
        /// For x86-64 instead, into target/lambda-x86-64
        #[arg(long)]
        x86_64: bool,
    },
    /// Replay the events with the artefacts under Lambda's own emulator, over a Postgres with TLS and SCRAM
    Emulate {
        /// Those for arm64, which are deployed, instead of those for x86-64; through QEMU where this is no arm64
        #[arg(long)]
        arm64: bool,
    },
    /// Print a token of a user
    Token {
        /// The user's id, of the kind that `USER_IDS` says
        #[arg(long)]
        user: String,
        /// How long it is good for
        #[arg(long, default_value_t = 24)]
        hours: u32,
    },
    /// Check that a deployed API works: its health, that it refuses tokens, and with a token its list
    Smoke(smoke::Options),
    /// Write what follows from the route table and the types: openapi.json, template.yaml, the routes of `cargo lambda watch`
    Generate,
    /// Make the files of a new route, and its line in the route table
    NewFunction(new_function::Options),
    /// Work with the files in migrations/
    #[command(subcommand)]
    Migrate(Migrate),
    /// Measure the artefacts beside their baselines
    Bench(bench::Options),
    /// Count the instructions of warm requests, and fail beyond their budgets
    Budgets {
        /// Take the artefacts as they are
        #[arg(long)]
        built: bool,
    },
    /// Make the profiles that the artefacts are compiled with, in devtools/profile (on x86-64 Linux)
    Profile,
    /// Install what dev and test need, and check that all of it runs on this machine
    Doctor,
    /// Run dev and test in a root file system that has Rust, a C compiler and Python, and nothing else (as root on Debian)
    Bare(bare::Options),
    /// Print completions for a shell; they complete `xtask`, which can be an alias of `cargo xtask`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Make the pair of files of a new migration
    New {
        /// What it does, such as `add_due_date`
        name: String,
    },
}

// One thread, so that the benchmark does not have to wake up another thread.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::select! {
        result = run(cli.command) => result,
        // Dropping the work stops every program that it has started.
        () = interrupted() => {
            eprintln!("\nStopped.");
            return ExitCode::from(130);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Dev(options) => dev::run(&options).await,
        Command::Test(options) => Box::pin(test::run(&options)).await,
        Command::Faults(options) => {
            tools::system::prepare().await?;
            faults::run(&options).await
        }
        Command::Replay { function } => replay::run(function.as_deref()).await,
        Command::Build { x86_64: false } => build::run(Processor::Arm64).await,
        Command::Build { x86_64: true } => build::run(Processor::X86_64).await,
        Command::Emulate { arm64 } => {
            let processor = if arm64 { Processor::Arm64 } else { Processor::X86_64 };
            emulator::run(&Artefacts::all(processor)).await.map(|count| println!("{count} passed, 0 failed"))
        }
        Command::Token { user, hours } => {
            println!("{}", token::mint(&Settings::read()?, &user, hours)?);
            Ok(())
        }
        Command::Smoke(options) => smoke::run(&options).await,
        Command::Generate => generate::run().await,
        Command::NewFunction(options) => new_function::run(&options),
        Command::Migrate(Migrate::New { name }) => migration::create(&name),
        Command::Bench(options) => bench::run(&options).await,
        Command::Budgets { built } => {
            tools::system::prepare().await?;
            bench::budgets(built).await
        }
        Command::Profile => bench::profile().await,
        Command::Doctor => Box::pin(doctor::run()).await,
        Command::Bare(options) => bare::run(&options).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command().bin_name("xtask"), "xtask", &mut std::io::stdout());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_are_understood() {
        for right in ["dev --port 9001 --reset", "test ownership", "bench --scale --scale-max 1000000", "migrate new x"]
        {
            assert!(Cli::try_parse_from(["xtask"].into_iter().chain(right.split(' '))).is_ok(), "{right}");
        }
        for wrong in ["dev --port x", "bench --scale --cpu", "bench --scale-max 5", "token", "what", ""] {
            assert!(Cli::try_parse_from(["xtask"].into_iter().chain(wrong.split(' '))).is_err(), "{wrong}");
        }
    }
}
