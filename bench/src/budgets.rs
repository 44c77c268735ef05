//! `cargo xtask budgets`: how many instructions a warm request executes outside of the kernel.
//!
//! A count, unlike a time, is the same on a busy machine, so that it can fail a build.

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path};

use crate::{
    artefacts,
    data::Database,
    process::Process,
    subject::{self, REFUSED, Subject},
};

use anyhow::{Context, Result, anyhow, bail};
use devtools::{
    build::Processor,
    postgres::ServerKind,
    profile,
    settings::target,
    tools::system::Package,
    ui::{bar, print, say, step, table},
};

/// The most instructions of a warm request on x86-64, for artefacts with their [profile] and without: a tenth more than
/// was measured.
const LIMITS: [(&str, u64, u64); 4] = [
    ("list-tasks", 273_000, 308_000),
    ("get-task", 182_000, 202_000),
    ("update-task", 191_000, 214_000),
    (REFUSED, 136_000, 158_000),
];

/// The requests of a short and of a long run. The difference of their counts is that of warm requests only, since both
/// start the process once.
const SHORT: u64 = 20;
const LONG: u64 = 120;

/// Counts, and fails when a request needs more than its budget. `built` takes artefacts as they are.
///
/// # Errors
/// When a request needs more, when something does not run, and where `CI` is set and nothing can be counted.
pub async fn run(built: bool) -> Result<()> {
    if Processor::here() != Some(Processor::X86_64) {
        return not_counted("Instructions are counted on x86-64 Linux only");
    }
    let Some(valgrind) = Package::Valgrind.find() else {
        return not_counted("valgrind is missing");
    };
    let binaries = artefacts(built).await?;
    let has_profile = profile::is_used().await?;
    let database = Database::start(ServerKind::Throwaway, &binaries).await?;
    database.fill(0).await?;
    step("Counting instructions");
    let (mut counts, mut rows, mut beyond) = (BTreeMap::new(), Vec::new(), Vec::new());
    let subjects = subject::all(&database, &binaries)?;
    let bar = bar("Subjects", subjects.len());
    for mut subject in subjects {
        bar.inc(1);
        let limit = LIMITS.into_iter().find_map(|(name, with, without)| {
            (name == subject.name).then_some(if has_profile { with } else { without })
        });
        if limit.is_none() && subject.baseline.is_some() {
            continue;
        }
        let (short, long) = (count(&mut subject, &valgrind, SHORT).await?, count(&mut subject, &valgrind, LONG).await?);
        let each = long.saturating_sub(short) / (LONG - SHORT);
        counts.insert(subject.name, each);
        let baseline = subject.baseline.and_then(|name| counts.get(name));
        let ratio =
            baseline.map(|baseline| format!("{:.2}", 1.0 + excess(each, *baseline) / 100.0)).unwrap_or_default();
        let shown = limit.map(|limit| limit.to_string()).unwrap_or_default();
        rows.push(vec![subject.name.to_owned(), each.to_string(), ratio, shown]);
        if let Some(limit) = limit.filter(|limit| each > *limit) {
            let (name, percent) = (subject.name, excess(each, limit));
            beyond.push(format!("{name} executes {each} instructions, {percent:.1} % more than its budget of {limit}"));
        }
    }
    bar.finish_and_clear();
    print(table(&["request", "instructions", "to its baseline", "budget"], &rows));
    if beyond.is_empty() {
        return Ok(());
    }
    beyond.push("After an update of dependencies, `cargo xtask profile` may be all that is needed.".into());
    Err(anyhow!(beyond.join("\n")))
}

/// Fails where `CI` is set, and otherwise only says that nothing was counted.
fn not_counted(why: &str) -> Result<()> {
    let message = format!("{why}: the instructions were NOT COUNTED.");
    if std::env::var_os("CI").is_some() {
        bail!(message);
    }
    say(format!("\n{message}"));
    Ok(())
}

/// The instructions of a process that answers so many requests.
async fn count(subject: &mut Subject, valgrind: &Path, requests: u64) -> Result<u64> {
    let folder = target().join("bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    // The file is kept for `callgrind_annotate`, which shows the functions that execute them.
    let output = folder.join(format!("{}-{requests}.callgrind", subject.name.replace(' ', "-")));
    let mut launch = subject.launch.clone();
    let option = format!("--callgrind-out-file={}", output.display());
    launch.under = [valgrind.as_os_str(), "--tool=callgrind".as_ref(), OsStr::new(&option)]
        .map(|word| word.to_string_lossy().into_owned())
        .into();
    let mut process = Process::start(&launch).await?;
    for _ in 0..requests {
        subject.call(&mut process).await?;
    }
    process.stop().await?;
    let text = fs::read_to_string(&output).with_context(|| output.display().to_string())?;
    total(&text).ok_or_else(|| anyhow!("{} has no total", output.display()))
}

/// The total in a file that callgrind wrote.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    line?.split_whitespace().next()?.parse().ok()
}

/// By how many percent a count is more than another.
#[allow(clippy::cast_precision_loss)]
fn excess(count: u64, other: u64) -> f64 {
    (count as f64 / other.max(1) as f64 - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(0)\n0 5\ntotals: 123456\n"), Some(123_456));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn an_excess_is_in_percent() {
        assert!((excess(112, 100) - 12.0).abs() < 1e-9);
        assert!((excess(50, 100) + 50.0).abs() < 1e-9);
    }
}
