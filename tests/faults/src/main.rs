//! What `cargo xtask faults` starts; see [`faults`].

use std::process::ExitCode;

use clap::Parser;
use devtools::{process::interrupted, tools};
use faults::{Options, run};

/// Breaks everything below the functions while clients call them, and compares the database with what they were told.
///
/// `cargo xtask faults` builds the functions before and starts this.
#[derive(Debug, Parser)]
#[command(name = "faults")]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// The version of Postgres to run with
    #[arg(long, value_name = "VERSION", default_value_t = tools::POSTGRES, value_parser = clap::value_parser!(u8).range(15..=18))]
    postgres: u8,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    tools::use_postgres(cli.postgres);
    // The server and the functions are stopped by their owners, when the work is dropped.
    let result = tokio::select! {
        result = run(&cli.options) => result,
        () = interrupted() => return ExitCode::from(130),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}
