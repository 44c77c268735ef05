//! `cargo xtask bench --concurrency`: one process with several requests at once on one core, as
//! on Lambda Managed Instances.

use anyhow::Result;
use std::time::{Duration, Instant};

use devtools::ui::{step, table};
use serde::{Deserialize, Serialize};

use crate::{
    binaries::Binaries,
    data::Database,
    pin,
    process::Process,
    subject::{self, Subject},
    warm::micros,
};

const FUNCTIONS: [&str; 2] = ["list-tasks", "get-task"];

/// How many requests at once.
const LEVELS: [usize; 3] = [1, 4, 16];

/// Calls before anything is measured, and for how long it is measured.
const WARM_UP: usize = 200;
const DURATION: Duration = Duration::from_secs(5);

/// What one process gets done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Throughput {
    pub(crate) function: String,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`.
    pub(crate) allowed: usize,
    /// How many invocations the process in fact waited for at once.
    pub(crate) pollers: usize,
    pub(crate) calls_per_second: f64,
    pub(crate) calls_per_cpu_second: f64,
    /// Whether it had one core and no other.
    pub(crate) pinned: bool,
}

/// Measures.
pub(crate) async fn run(database: &Database, binaries: &Binaries) -> Result<Vec<Throughput>> {
    let pin = pin::command();
    if pin.is_empty() {
        eprintln!("There is no taskset here: the process is not kept on one core.");
    }
    let mut results = Vec::new();
    for mut subject in subject::all(database, binaries)? {
        if !FUNCTIONS.contains(&subject.name) {
            continue;
        }
        subject.launch.under.clone_from(&pin);
        let variables = subject.launch.variables.clone();
        for allowed in LEVELS {
            step(&format!("{} with {allowed} requests at once", subject.name));
            subject.launch.variables.clone_from(&variables);
            subject.launch.variables.push(("AWS_LAMBDA_MAX_CONCURRENCY".into(), allowed.to_string()));
            results.push(measure(&mut subject, allowed).await?);
        }
    }
    Ok(results)
}

async fn measure(subject: &mut Subject, allowed: usize) -> Result<Throughput> {
    let mut process = Process::start(&subject.launch).await?;
    let pollers = process.pollers().await?;
    // A process that takes one at a time gets as many too: they queue.
    for _ in 0..allowed {
        process.send(subject.payload());
    }
    for _ in 0..WARM_UP {
        next(subject, &mut process).await?;
    }
    let (started, cpu_before) = (Instant::now(), process.cpu()?);
    let mut calls = 0_u32;
    while started.elapsed() < DURATION {
        next(subject, &mut process).await?;
        calls += 1;
    }
    let (elapsed, cpu) = (started.elapsed(), process.cpu()?.saturating_sub(cpu_before));
    for _ in 0..allowed {
        subject.check(&process.answer().await?.body)?;
    }
    let pinned = !subject.launch.under.is_empty();
    process.stop().await?;
    Ok(Throughput {
        function: subject.name.into(),
        allowed,
        pollers,
        calls_per_second: f64::from(calls) / elapsed.as_secs_f64(),
        calls_per_cpu_second: f64::from(calls) * 1e6 / micros(cpu),
        pinned,
    })
}

/// Takes an answer and sends the next request.
async fn next(subject: &mut Subject, process: &mut Process) -> Result<()> {
    let answer = process.answer().await?;
    process.send(subject.payload());
    subject.check(&answer.body)
}

/// The figures for people.
pub(crate) fn show(results: &[Throughput]) -> String {
    let names = ["function", "at once", "pollers", "calls/s", "calls/CPU second", "on one core"];
    let rows: Vec<_> = results
        .iter()
        .map(|result| {
            vec![
                result.function.clone(),
                result.allowed.to_string(),
                result.pollers.to_string(),
                format!("{:.0}", result.calls_per_second),
                format!("{:.0}", result.calls_per_cpu_second),
                if result.pinned { "yes" } else { "no" }.into(),
            ]
        })
        .collect();
    table(&names, &rows)
}
