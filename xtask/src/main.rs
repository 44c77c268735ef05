//! Developer commands.

mod bench;
mod better_auth;
mod browser;
mod build;
mod demo;
mod dev;
mod emulator;
mod events;
mod faults;
mod lambda;
mod migration;
mod node;
mod openapi;
mod postgres;
mod replay;
mod settings;
mod template;
mod test;
mod token;
mod tools;
mod ui;

use std::process::ExitCode;

use build::Processor;
use tokio::signal;
use ui::Failure;

const USAGE: &str = "\
Usage: cargo xtask <command>

  dev [--reset] [--port N] [--with-better-auth]
                                Run the API on 127.0.0.1 (port 9000) over a local Postgres, with a demo
                                user. DATABASE_URL makes it use that database instead; --reset empties
                                the local one first. With Better Auth on port 3005, users can sign up.
  test                          Check and test everything.
  faults [--requests N] [--seed N] [--short] [--only FAULT]
                                Break everything below the functions while clients call them, and
                                compare the database with what they were told.
  replay [FUNCTION]             Replay the events in events/ and compare the answers.
  build [--x86-64]              Build the artefacts to deploy, for arm64, into target/lambda.
  emulate                       Replay the events with the x86-64 artefacts under Lambda's own emulator,
                                over a Postgres with TLS and SCRAM.
  token --user N [--hours N]    Print a token of user N.
  openapi                       Write openapi.json from the route table and the types.
  migrate new NAME              Make the files of a new migration.
  bench [--quick] [--built]     Measure the artefacts beside their floors. --quick takes few calls and keeps
                                no figures; --built takes the artefacts as they are.
  bench --cpu                   With the shares of a core that Lambda gives out, and what requests cost.
  bench --scale [--scale-max N] With tables of 1000 to N tasks (10000000).
  bench --concurrency           With several requests at once in one process.
  budgets [--built]             Count the instructions of warm requests, and fail beyond their budgets.";

// One thread: what the benchmark waits for must not have to wake up another.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = tokio::select! {
        result = run(&arguments) => result,
        // What was started is stopped where it is owned, when the work on it is dropped.
        () = interrupted() => {
            eprintln!("\nStopped.");
            return ExitCode::from(130);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["dev", ref options @ ..] => dev::run(&dev::Options::parse(options)?).await,
        ["test"] => test::run().await,
        ["faults", ref options @ ..] => faults::run(&faults::Options::parse(options)?).await.map(drop),
        ["build"] => build::run(Processor::Arm64).await,
        ["build", "--x86-64"] => build::run(Processor::X86_64).await,
        ["emulate"] => emulator::run().await.map(|count| println!("{count} passed, 0 failed")),
        ["replay"] => replay::run(None).await,
        ["replay", function] => replay::run(Some(function)).await,
        ["token", "--user", user] => token::run(user, "24"),
        ["token", "--user", user, "--hours", hours] => token::run(user, hours),
        ["migrate", "new", name] => migration::create(name),
        ["openapi"] => openapi::write(),
        ["bench", ref options @ ..] => bench::run(&bench::Options::parse(options)?).await,
        ["budgets"] => bench::budgets(false).await,
        ["budgets", "--built"] => bench::budgets(true).await,
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::new(USAGE)),
    }
}

/// Waits for Ctrl-C, or for being asked to end in another way.
async fn interrupted() {
    #[cfg(unix)]
    {
        let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    drop(signal::ctrl_c().await);
}
