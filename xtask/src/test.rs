//! `cargo xtask test`: everything that can be checked on this machine.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{
    bench, browser,
    build::{self, Processor},
    dev, emulator, events, faults,
    postgres::{Durability, Server},
    replay,
    settings::root,
    template, tools,
    ui::{Failure, step},
};

/// The tests that print their own line: the client, the documentation and two of signing in.
const IN_BROWSER: usize = 4;

/// Runs all checks and tests; the last line counts them.
pub(crate) async fn run() -> Result<(), Failure> {
    // Before everything that takes long, so that what is missing is said at once.
    tools::cargo_lambda().await?;
    tools::postgres().await?;
    let pgbouncer = tools::pgbouncer().await?;
    let schemathesis = tools::schemathesis().await?;
    let sam = tools::sam().await?;
    browser::prepare().await?;
    cargo("Checking the format", &["fmt", "--all", "--check"]).await?;
    cargo("Checking with clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).await?;
    template::check(&sam).await?;
    let [template, next_template] = template::transform(&sam).await?;
    browser::client().await?;
    dev::build().await?;
    let server = Server::start("test", Durability::Throwaway).await?;
    let mut variables = vec![
        ("TEST_DATABASE_URL", server.url("postgres")),
        ("TEST_TEMPLATE", template.display().to_string()),
        ("TEST_NEXT_TEMPLATE", next_template.display().to_string()),
        ("TEST_SCHEMATHESIS", schemathesis.display().to_string()),
    ];
    variables.extend(pgbouncer.map(|program| ("TEST_PGBOUNCER", server.run_as(&program))));
    let tests = tests(variables).await? + IN_BROWSER;
    let events = replay::on(&server, &events::read(None)?, true).await?;
    browser::sign_in(&server).await?;
    drop(server);
    let faults = faults::run(&faults::Options::SHORT).await?;
    let emulated = emulated().await?;
    let all = tests + events + faults + emulated;
    println!(
        "\n{all} passed, 0 failed ({tests} tests, {events} events replayed, {emulated} of them in the emulator, {faults} \
         kinds of fault)"
    );
    Ok(())
}

/// Builds the artefacts for this machine's processor, runs them under Lambda's emulator and counts
/// their instructions.
async fn emulated() -> Result<usize, Failure> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        build::run_with(Processor::X86_64, &bench::FLOORS).await?;
        let count = emulator::run().await?;
        bench::budgets(true).await?;
        return Ok(count);
    }
    let message = "Lambda's emulator runs on x86-64 Linux only: the artefacts were NOT TESTED.";
    if std::env::var_os("CI").is_some() {
        return Err(Failure::new(message));
    }
    eprintln!("\n{message}");
    Ok(0)
}

async fn cargo(what: &str, arguments: &[&str]) -> Result<(), Failure> {
    step(what);
    let status = Command::new("cargo").args(arguments).current_dir(root()).status().await?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`cargo {}` failed.", arguments.join(" ")))) }
}

/// Runs the tests of all packages, and counts them as they pass by.
async fn tests(variables: Vec<(&str, String)>) -> Result<usize, Failure> {
    step("Running the tests");
    let mut child = Command::new("cargo")
        .args(["test", "--workspace", "--no-fail-fast"])
        .envs(variables)
        .current_dir(root())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (mut passed, mut failed) = (0, 0);
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            println!("{line}");
            if let Some(result) = line.strip_prefix("test result: ") {
                let count = |what: &str| {
                    let words: Vec<_> = result.split_whitespace().collect();
                    words
                        .windows(2)
                        .find(|pair| matches!(pair, [_, word] if word.starts_with(what)))
                        .and_then(|pair| pair.first()?.parse().ok())
                        .unwrap_or(0)
                };
                passed += count("passed");
                failed += count("failed");
            }
        }
    }
    let status = child.wait().await?;
    if status.success() && failed == 0 {
        Ok(passed)
    } else {
        Err(Failure::new(format!("{passed} passed, {failed} failed")))
    }
}
