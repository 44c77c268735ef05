//! `cargo xtask bench --cpu`: the functions on the share of a core that Lambda gives to a memory
//! size, and what a million requests cost there.

use std::time::Duration;

use anyhow::Result;
use devtools::ui::{step, table};
use serde::{Deserialize, Serialize};

use crate::{
    binaries::Binaries,
    cgroup::Group,
    data::Database,
    process::Process,
    stats::{Shuffle, mean, median, percentile},
    subject::{self, Subject},
    warm::micros,
};

const FUNCTIONS: [&str; 3] = ["list-tasks", "get-task", "update-task"];

/// Memory sizes in MB. 256 is the template's; with 1769 a function has one core
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>), and with less its share.
const SIZES: [u32; 4] = [128, 256, 512, 1769];
const ONE_CORE: u32 = 1769;

/// USD for arm64 in us-east-1, first tier, from <https://aws.amazon.com/lambda/pricing/>: a GB-second,
/// and a million requests.
const GB_SECOND: f64 = 0.000_013_333_4;
const MILLION_REQUESTS: f64 = 0.20;

/// Calls now and then, calls one after the other, and starts, for each function and size.
const SPACED: usize = 150;
const BACK_TO_BACK: usize = 600;
const STARTS: usize = 9;

/// Calls before anything is measured.
const WARM_UP: usize = 20;

/// A function on the CPU of a memory size. Times are in milliseconds, money in USD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) function: String,
    pub(crate) memory_mb: u32,
    /// From the start to the first answer. Lambda initialises at full speed.
    pub(crate) cold_ms: f64,
    /// Calls that find the environment rested.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// What is billed for such a call, on average: every begun millisecond.
    pub(crate) billed_ms: f64,
    pub(crate) usd_per_million: f64,
    /// Calls one after the other, which use up the share.
    pub(crate) calls_per_second: f64,
    pub(crate) busy_usd_per_million: f64,
}

/// Measures; `None` when this machine has no control groups for it.
pub(crate) async fn run(database: &Database, binaries: &Binaries) -> Result<Option<Vec<Share>>> {
    if let Err(failure) = Group::new().and_then(|group| group.limit(Some(0.5))) {
        eprintln!("\n{failure}\nNo control group can be made here (it takes root): NOT MEASURED.");
        return Ok(None);
    }
    let mut shares = Vec::new();
    for mut subject in subject::all(database, binaries)? {
        if !FUNCTIONS.contains(&subject.name) {
            continue;
        }
        for memory in SIZES {
            step(&format!("{} with {memory} MB", subject.name));
            shares.push(measure(&mut subject, memory).await?);
        }
    }
    Ok(Some(shares))
}

async fn measure(subject: &mut Subject, memory: u32) -> Result<Share> {
    let group = Group::new()?;
    let mut colds = Vec::new();
    for _ in 0..STARTS {
        let mut process = start(subject, &group, memory).await?;
        let call = subject.call(&mut process).await?;
        colds.push(millis(call.answered - process.started()));
        process.stop().await?;
    }
    let mut process = start(subject, &group, memory).await?;
    for _ in 0..WARM_UP {
        subject.call(&mut process).await?;
    }
    let (mut shuffle, mut took, mut billed) = (Shuffle::new(), Vec::new(), Vec::new());
    for _ in 0..SPACED {
        // Longer than a period, and not in step with it.
        tokio::time::sleep(Duration::from_micros(25_000 + shuffle.below(20_000) as u64)).await;
        let call = subject.call(&mut process).await?;
        took.push(millis(call.took));
        billed.push(millis(call.done).ceil());
    }
    let (mut busy_billed, mut busy) = (Vec::new(), Duration::ZERO);
    for _ in 0..BACK_TO_BACK {
        let call = subject.call(&mut process).await?;
        busy_billed.push(millis(call.done).ceil());
        busy += call.done;
    }
    process.stop().await?;
    #[allow(clippy::cast_precision_loss)]
    let calls_per_second = BACK_TO_BACK as f64 / busy.as_secs_f64();
    Ok(Share {
        function: subject.name.into(),
        memory_mb: memory,
        cold_ms: median(&colds),
        p50_ms: median(&took),
        p99_ms: percentile(&took, 0.99),
        billed_ms: mean(&billed),
        usd_per_million: usd_per_million(mean(&billed), memory),
        calls_per_second,
        busy_usd_per_million: usd_per_million(mean(&busy_billed), memory),
    })
}

/// Starts at full speed, and limits the process when it asks for its first invocation.
async fn start(subject: &Subject, group: &Group, memory: u32) -> Result<Process> {
    group.limit(None)?;
    let mut process = Process::start(&subject.launch).await?;
    group.add(process.pid())?;
    process.ready().await?;
    group.limit(Some(f64::from(memory) / f64::from(ONE_CORE)))?;
    Ok(process)
}

/// What a million calls cost that are billed for so many milliseconds on average.
fn usd_per_million(billed_ms: f64, memory_mb: u32) -> f64 {
    let gb_seconds = 1e6 * billed_ms / 1000.0 * f64::from(memory_mb) / 1024.0;
    gb_seconds * GB_SECOND + MILLION_REQUESTS
}

fn millis(duration: Duration) -> f64 {
    micros(duration) / 1000.0
}

/// The figures for people.
pub(crate) fn show(shares: &[Share]) -> String {
    let names =
        ["function", "MB", "cold/ms", "p50/ms", "p99/ms", "billed/ms", "USD/million", "calls/s", "busy USD/million"];
    let rows: Vec<_> = shares
        .iter()
        .map(|share| {
            vec![
                share.function.clone(),
                share.memory_mb.to_string(),
                format!("{:.1}", share.cold_ms),
                format!("{:.2}", share.p50_ms),
                format!("{:.2}", share.p99_ms),
                format!("{:.2}", share.billed_ms),
                format!("{:.3}", share.usd_per_million),
                format!("{:.0}", share.calls_per_second),
                format!("{:.3}", share.busy_usd_per_million),
            ]
        })
        .collect();
    table(&names, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_its_time_its_memory_and_itself() {
        // 1000 s of 1 GB, and the requests.
        assert!((usd_per_million(1.0, 1024) - (1000.0 * 0.000_013_333_4 + 0.20)).abs() < 1e-9);
        assert!((usd_per_million(2.0, 128) - (250.0 * 0.000_013_333_4 + 0.20)).abs() < 1e-9);
    }
}
