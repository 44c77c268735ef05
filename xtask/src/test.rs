//! `cargo xtask test`: runs all checks that this machine can run, step by step.

mod step;

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use devtools::{
    build::{self, Processor},
    postgres::{Server, ServerKind, TESTS},
    settings::{self, root},
    tools::{
        self, Sam,
        system::{self, Package},
    },
    ui::{print, say, step, table},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::JoinHandle,
    try_join,
};

use step::Step;

use crate::{
    browser,
    emulator::{self, Artefacts},
    events, faults, replay, template,
};

/// The options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A step's name, or a part of tests' names: only those run
    filter: Option<String>,
    /// List the steps instead of running them
    #[arg(long)]
    list: bool,
    /// The version of Postgres to test with
    #[arg(long, value_name = "VERSION", default_value_t = tools::POSTGRES, value_parser = clap::value_parser!(u8).range(15..=18))]
    postgres: u8,
}

/// The function that is tested on arm64, and only if the step is named: compiling its dependencies for arm64 takes
/// four minutes. `cargo xtask build && cargo xtask emulate --arm64` tests all functions.
const ON_ARM64: [&str; 1] = ["list-tasks"];

/// The state that the steps share.
struct Run {
    sam: Option<Sam>,
    schemathesis: PathBuf,
    issuers: PathBuf,
    server: Option<Server>,
    /// Which tests run. `None` means all tests.
    filter: Option<String>,
    /// The build of the artefacts, which runs while other steps wait for their programs.
    artefacts: Option<JoinHandle<Result<()>>>,
}

/// Runs the requested steps. The last lines show the result and the time of each step.
pub(crate) async fn run(options: &Options) -> Result<()> {
    if options.list {
        for (name, what) in Step::ALL.map(Step::described) {
            println!("{name:<10} {what}");
        }
        return Ok(());
    }
    tools::use_postgres(options.postgres);
    let by_name = |name: &str| Step::ALL.into_iter().find(|step| step.described().0 == name);
    let (steps, filter) = match options.filter.as_deref() {
        None => (Step::ALL.into_iter().filter(|step| *step != Step::Arm64).collect(), None),
        Some(name) => match by_name(name) {
            // Steps that run the binaries need the build first.
            Some(step @ (Step::Tests | Step::Events | Step::SignIn | Step::Frontend)) => {
                (vec![Step::Build, step], None)
            }
            Some(step @ (Step::Emulator | Step::Arm64 | Step::Budgets)) => (vec![Step::Artefacts, step], None),
            Some(step) => (vec![step], None),
            None => (vec![Step::Build, Step::Tests], Some(name.to_owned())),
        },
    };
    let started = Instant::now();
    let not_tested = system::prepare().await?;
    if steps.contains(&Step::Arm64) {
        system::prepare_arm64().await?;
    }
    let mut run = Box::pin(Run::prepare(filter)).await?;
    let mut done = vec![("tools".to_owned(), "installed and seen to run".to_owned(), started.elapsed())];
    let total = steps.len();
    let builds_artefacts = steps.contains(&Step::Artefacts) && Step::Artefacts.is_possible();
    for (number, one) in steps.into_iter().enumerate() {
        let (name, what) = one.described();
        if !one.is_possible() {
            if std::env::var_os("CI").is_some() {
                bail!("{what}: cannot be tested on this machine, and CI is set.");
            }
            done.push((name.to_owned(), "NOT TESTED".into(), Duration::ZERO));
            continue;
        }
        step(&format!("[{}/{total}] Testing {what}", number + 1));
        let started = Instant::now();
        if one == Step::Tests && builds_artefacts {
            run.artefacts = Some(tokio::spawn(build::in_background(&bench::BASELINES)));
        }
        let result = run.step(one).await.with_context(|| format!("Step {name} failed"))?;
        done.push((name.to_owned(), result, started.elapsed()));
    }
    let rows: Vec<_> =
        done.into_iter().map(|(name, result, took)| vec![name, result, format!("{:.1}", took.as_secs_f64())]).collect();
    print(format!("\n{}", table(&["step", "result", "seconds"], &rows)));
    if !not_tested.is_empty() {
        say(format!("NOT TESTED: {}.", not_tested.join("; ")));
    }
    print(format!("All passed, in {:.0} seconds.", started.elapsed().as_secs_f64()));
    Ok(())
}

impl Run {
    /// Installs everything that the steps need, all at once, and before any long step.
    async fn prepare(filter: Option<String>) -> Result<Self> {
        let (_, _, _, _, _, schemathesis, issuers, sam, ()) = try_join!(
            tools::cargo_lambda(),
            tools::workflow_checks(),
            tools::postgres(),
            tools::chromium(),
            tools::zig(),
            tools::schemathesis(),
            tools::issuers(),
            tools::sam(),
            browser::prepare(),
        )?;
        Ok(Self { sam: Some(sam), schemathesis, issuers, server: None, filter, artefacts: None })
    }

    /// Runs a step, and returns its result.
    async fn step(&mut self, step: Step) -> Result<String> {
        Ok(match step {
            Step::Format => cargo(&["fmt", "--all", "--check"]).await?,
            Step::Clippy => {
                cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).await?;
                // As deployed functions are built: without the features that developer commands need.
                cargo(&["clippy", "--package", "shared", "--", "-D", "warnings"]).await?
            }
            Step::Rustdoc => cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]).await?,
            Step::Template => {
                template::check(self.sam()?).await?;
                "passed".into()
            }
            Step::Workflows => {
                template::check_workflows().await?;
                "passed".into()
            }
            Step::Client => {
                let passed = browser::client().await?;
                format!("{passed} passed")
            }
            Step::Build => {
                build::debug().await?;
                "built".into()
            }
            Step::Tests => format!("{} passed", self.tests().await?),
            Step::Events => {
                let count = replay::on(self.server().await?, &events::read(None)?, true).await?;
                format!("{count} passed, and 1 in a browser")
            }
            Step::SignIn => {
                let passed = browser::sign_in(self.server().await?).await?;
                format!("{passed} passed")
            }
            Step::Frontend => {
                let passed = browser::application(self.server().await?).await?;
                format!("{passed} passed")
            }
            Step::Faults => {
                faults::run(&::faults::Options::short()).await?;
                "passed".into()
            }
            Step::Artefacts => {
                if let Some(begun) = self.artefacts.take() {
                    // The build below reports what is wrong.
                    let _ = begun.await;
                }
                build::run_with(Processor::X86_64, &bench::BASELINES).await?;
                "built".into()
            }
            Step::Emulator => {
                format!("{} events passed", emulator::run(&Artefacts::all(Processor::X86_64)).await?)
            }
            Step::Arm64 => {
                build::some(Processor::Arm64, &ON_ARM64).await?;
                let count = emulator::run(&Artefacts::some(Processor::Arm64, &ON_ARM64)).await?;
                format!("{count} events passed")
            }
            Step::Budgets => {
                bench::budgets(true).await?;
                "within".into()
            }
        })
    }

    fn sam(&self) -> Result<&Sam> {
        self.sam.as_ref().context("AWS SAM is not installed")
    }

    /// The server that the steps share. Each step has its own databases.
    async fn server(&mut self) -> Result<&Server> {
        match &mut self.server {
            Some(server) => Ok(server),
            none => Ok(none.insert(Server::start(TESTS, ServerKind::Throwaway).await?)),
        }
    }

    /// Runs the tests of all packages, and counts them in the output.
    async fn tests(&mut self) -> Result<usize> {
        let [template, next_template] = template::transform(self.sam()?).await?;
        let (node, schemathesis) = (tools::node().await?, self.schemathesis.display().to_string());
        let (filter, issuers) = (self.filter.clone(), self.issuers.clone());
        let server = self.server().await?;
        let mut command = settings::cargo("cargo");
        command
            .args(["test", "--workspace", "--no-fail-fast"])
            .args(&filter)
            .env("TEST_DATABASE_URL", server.url("postgres"))
            .env("TEST_TEMPLATE", template)
            .env("TEST_NEXT_TEMPLATE", next_template)
            .env("TEST_SCHEMATHESIS", schemathesis)
            .env("TEST_ISSUERS", issuers)
            .env("TEST_NODE", node.program());
        if let Some(pgbouncer) = Package::PgBouncer.find() {
            command.env("TEST_PGBOUNCER", serde_json::to_string(&server.run_as(&pgbouncer))?);
        }
        let mut child = command.current_dir(root()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (mut passed, mut failed) = (0, 0);
        if let Some(output) = child.stdout.take() {
            let mut lines = BufReader::new(output).lines();
            while let Some(line) = lines.next_line().await? {
                if filter.is_none() || !line.contains("0 passed; 0 failed") && !line.trim().is_empty() {
                    print(&line);
                }
                if let Some(result) = line.strip_prefix("test result: ") {
                    passed += count(result, "passed");
                    failed += count(result, "failed");
                }
            }
        }
        let status = child.wait().await?;
        if !status.success() || failed > 0 {
            bail!("{passed} passed, {failed} failed");
        }
        match filter {
            Some(filter) if passed == 0 => {
                bail!("no step and no test has {filter:?} in its name; `cargo xtask test --list` shows the steps")
            }
            _ => Ok(passed),
        }
    }
}

/// Reads a number from a line such as "ok. 3 passed; 0 failed; 0 ignored".
fn count(result: &str, what: &str) -> usize {
    let words: Vec<_> = result.split_whitespace().collect();
    let number = words.windows(2).find_map(|pair| match pair {
        [number, word] if word.starts_with(what) => number.parse().ok(),
        _ => None,
    });
    number.unwrap_or(0)
}

async fn cargo(arguments: &[&str]) -> Result<String> {
    let mut command = settings::cargo("cargo");
    command.args(arguments).env("RUSTDOCFLAGS", "-D warnings").current_dir(root());
    let status = command.kill_on_drop(true).status().await?;
    if status.success() {
        return Ok("passed".into());
    }
    let hint = match arguments {
        ["fmt", ..] => " (Where the command is missing: rustup component add rustfmt)",
        ["clippy", ..] => " (Where the command is missing: rustup component add clippy)",
        _ => "",
    };
    bail!("`cargo {}` failed.{hint}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let line = "ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!((count(line, "passed"), count(line, "failed"), count(line, "what")), (12, 3, 0));
    }
}
