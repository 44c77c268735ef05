//! `cargo xtask bench`: how fast, how small and how cheap the artefacts are, each compared with a baseline, which does
//! the least that a function on Lambda's runtime can do.
//!
//! Subjects and baselines are called in turn within one run, so that other work of this machine slows down all of them
//! alike. Between runs, ratios to a baseline are compared, not microseconds.

mod binaries;
mod budgets;
mod cgroup;
mod cold;
mod concurrency;
mod cpu;
mod data;
mod harness;
mod load;
mod machine;
mod pin;
mod process;
mod profile;
mod report;
mod results;
mod round_trips;
mod rows;
mod runtime;
mod scale;
mod search;
mod stats;
mod subject;
mod svg;
mod tokens;
mod users;
mod warm;

use std::fs;

use anyhow::{Context, Result, anyhow};
use binaries::Binaries;
use data::Database;
use devtools::{
    build::{self, Processor},
    postgres::ServerKind,
    settings::root,
    ui::step,
};
use machine::Machine;
use report::Measured;
use results::{Results, Run};

pub use budgets::run as budgets;
pub use profile::run as profile;

/// The binaries of the baselines.
pub const BASELINES: [&str; 2] = ["empty", "one-query"];

/// The options of the command.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    mode: Modes,
    /// Take few calls, and keep no figures.
    #[arg(long)]
    quick: bool,
    /// Take the artefacts as they are.
    #[arg(long)]
    built: bool,
    /// The largest table of --scale.
    #[arg(long, value_name = "TASKS", default_value_t = 10_000_000, requires = "scale")]
    scale_max: u64,
}

/// What is measured, other than each function beside its baseline.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
#[allow(clippy::struct_excessive_bools)]
struct Modes {
    /// With the shares of a core that Lambda gives out, and what requests cost (as root).
    #[arg(long)]
    cpu: bool,
    /// With tables of 1000 to 10 million tasks.
    #[arg(long)]
    scale: bool,
    /// With several requests at once in one process.
    #[arg(long)]
    concurrency: bool,
    /// What verifying a token costs, by its algorithm.
    #[arg(long)]
    tokens: bool,
    /// Through PgBouncer in transaction mode, the baselines as well.
    #[arg(long)]
    pooler: bool,
    /// How many requests a core of Postgres does, through PgBouncer.
    #[arg(long)]
    load: bool,
    /// For users with ids of each kind.
    #[arg(long)]
    users: bool,
    /// What the longest searches take.
    #[arg(long)]
    search: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Functions,
    Cpu,
    Scale,
    Concurrency,
    Tokens,
    Pooler,
    Load,
    Users,
    Search,
}

/// How much is measured.
struct Plan {
    /// Parts of a run that are compared with each other to know the noise.
    blocks: usize,
    /// Calls of each subject in a block.
    rounds: usize,
    /// Cold starts of each subject in a block.
    spawns: usize,
}

impl Options {
    fn mode(&self) -> Mode {
        match self.mode {
            Modes { cpu: true, .. } => Mode::Cpu,
            Modes { scale: true, .. } => Mode::Scale,
            Modes { concurrency: true, .. } => Mode::Concurrency,
            Modes { tokens: true, .. } => Mode::Tokens,
            Modes { pooler: true, .. } => Mode::Pooler,
            Modes { load: true, .. } => Mode::Load,
            Modes { users: true, .. } => Mode::Users,
            Modes { search: true, .. } => Mode::Search,
            _ => Mode::Functions,
        }
    }

    fn plan(&self) -> Plan {
        if self.quick { Plan { blocks: 4, rounds: 50, spawns: 3 } } else { Plan { blocks: 20, rounds: 200, spawns: 5 } }
    }
}

/// Measures, prints and keeps the figures.
///
/// # Errors
/// When something does not run, or answers wrongly.
pub async fn run(options: &Options) -> Result<()> {
    let load = machine::load();
    let binaries = artefacts(options.built).await?;
    // With several requests at once, the function has a core for itself.
    let one_core = ![Mode::Concurrency, Mode::Load].contains(&options.mode()) && pin::this_program();
    let database = Database::start(ServerKind::Throwaway, &binaries).await?;
    let machine = Machine::here(database.version().await?, load, one_core);
    let mut results = Results::read();
    let plan = options.plan();
    let shown = match options.mode() {
        Mode::Functions => {
            let figures = functions(&database, &binaries, &plan).await?;
            compare(&figures, &machine);
            if !options.quick {
                let path = root().join("bench/results.svg");
                fs::write(&path, report::chart(&figures, &machine)).with_context(|| path.display().to_string())?;
            }
            let shown = report::show(&figures);
            results.functions = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Pooler => {
            let figures = functions(&database.behind_pooler(1).await?, &binaries, &plan).await?;
            let shown = report::show(&figures);
            results.pooler = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Load => {
            let figures = load::run(&database, options.quick).await?;
            let shown = load::show(&figures);
            if !options.quick {
                let path = root().join("bench/load.svg");
                fs::write(&path, load::chart(&figures, &machine)).with_context(|| path.display().to_string())?;
            }
            results.load = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Users => {
            let figures = users::run(database, &binaries, &plan).await?;
            let shown = users::show(&figures);
            results.users = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Cpu => {
            database.fill(0).await?;
            let Some(figures) = cpu::run(&database, &binaries).await? else { return Ok(()) };
            let shown = cpu::show(&figures);
            results.cpu = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Scale => {
            let figures = scale::run(&database, &binaries, options.scale_max).await?;
            let shown = scale::show(&figures);
            results.scale = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Concurrency => {
            database.fill(0).await?;
            let figures = concurrency::run(&database, &binaries).await?;
            let shown = concurrency::show(&figures);
            results.concurrency = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Search => {
            let figures = search::run(&database, &binaries).await?;
            let shown = search::show(&figures);
            results.search = Some(Run { machine: machine.clone(), figures });
            shown
        }
        Mode::Tokens => {
            let figures = tokens::run(&database, &binaries, &plan).await?;
            let shown = tokens::show(&figures);
            results.tokens = Some(Run { machine: machine.clone(), figures });
            shown
        }
    };
    println!("\n{}\n\n{shown}", machine.line());
    if machine.was_busy() {
        println!("This machine was busy: the figures are rough.");
    }
    if options.quick {
        println!("These figures are of a quick run, and are not kept.");
    } else {
        println!("Kept in {}", results.write()?.strip_prefix(root()).context("the results")?.display());
    }
    Ok(())
}

/// Builds what is measured: the artefacts that are deployed, and the baselines.
async fn artefacts(built: bool) -> Result<Binaries> {
    let processor = Processor::here().ok_or_else(|| {
        anyhow!("Artefacts run on Linux only, on x86-64 or arm64: nothing can be measured on this machine.")
    })?;
    if !built {
        build::run_with(processor, &BASELINES).await?;
    }
    Ok(Binaries::of(processor))
}

async fn functions(database: &Database, binaries: &Binaries, plan: &Plan) -> Result<Vec<results::Function>> {
    let calls = warm::calls(plan) + cold::calls(plan) + 100;
    database.fill(calls as u64).await?;
    let mut subjects = subject::all(database, binaries)?;
    step("Counting round trips");
    let round_trips = round_trips::measure(&mut subjects, database).await?;
    step(&format!(
        "Measuring warm calls, {:.0} µs of each being this program's and the loopback's",
        harness::measure().await?
    ));
    let warm = warm::measure(&mut subjects, database, plan).await?;
    step("Measuring cold starts");
    let cold = cold::measure(&mut subjects, plan).await?;
    let mut encrypted = Vec::new();
    // With a pooler, all cold starts are over TLS already.
    if !database.is_pooled() {
        step("Measuring cold starts over TLS");
        let encrypted_database = Database::start(ServerKind::Encrypted, binaries).await?;
        encrypted_database.fill(calls as u64).await?;
        let mut encrypted_subjects = subject::all(&encrypted_database, binaries)?;
        encrypted_subjects.retain(|subject| subject.database);
        encrypted = cold::measure(&mut encrypted_subjects, plan).await?;
    }
    let mut encrypted = encrypted.iter();
    let measured: Vec<_> = subjects
        .iter()
        .zip(&warm)
        .zip(&cold)
        .zip(round_trips)
        .map(|(((subject, warm), cold), round_trips)| Measured {
            subject,
            warm,
            cold,
            encrypted: if subject.database { encrypted.next() } else { None },
            round_trips,
            zip_bytes: subject.baseline.and_then(|_| binaries.zip_bytes(&subject.binary)),
        })
        .collect();
    Ok(report::functions(&measured))
}

/// Prints what is slower or faster than in the committed figures.
fn compare(figures: &[results::Function], machine: &Machine) {
    match Results::committed().and_then(|results| results.functions) {
        None => println!("\nThere are no committed figures to compare with."),
        Some(before) => {
            let moved = results::moved(figures, &before.figures);
            println!("\nCompared with commit {} of {}:", before.machine.commit, before.machine.date);
            if machine.was_busy() || before.machine.was_busy() {
                println!("(one of the two was measured on a busy machine, so ratios may have moved by themselves)");
            }
            if moved.is_empty() {
                println!("nothing moved beyond the noise.");
            }
            for line in moved {
                println!("{line}");
            }
        }
    }
}
