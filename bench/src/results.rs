//! What was measured, as `bench/results.json` keeps it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use devtools::settings::root;
use serde::{Deserialize, Serialize};

use crate::{
    concurrency::Throughput, cpu::Share, load::Load, machine::Machine, scale::Scale, search::Search, stats::Ratio,
    tokens::Cost, users::Operation,
};

const FILE: &str = "bench/results.json";

/// The last figures of each kind. A run replaces those of its kind.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) functions: Option<Run<Vec<Function>>>,
    pub(crate) cpu: Option<Run<Vec<Share>>>,
    pub(crate) scale: Option<Run<Vec<Scale>>>,
    pub(crate) concurrency: Option<Run<Vec<Throughput>>>,
    pub(crate) tokens: Option<Run<Vec<Cost>>>,
    pub(crate) pooler: Option<Run<Vec<Function>>>,
    pub(crate) load: Option<Run<Vec<Load>>>,
    pub(crate) users: Option<Run<Vec<Operation>>>,
    pub(crate) search: Option<Run<Vec<Search>>>,
}

/// Figures, and where they were measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run<T> {
    pub(crate) machine: Machine,
    pub(crate) figures: T,
}

/// The figures of a function, or of a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The baseline that its ratios are of; a baseline has none.
    pub(crate) baseline: Option<String>,
    pub(crate) warm_p50_us: f64,
    pub(crate) warm_p99_us: f64,
    pub(crate) cpu_us: f64,
    /// The CPU time of the database's process at the other end of the connection.
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) cold_ms: Option<Start>,
    pub(crate) cold_tls_ms: Option<Start>,
    pub(crate) peak_kib: u64,
    pub(crate) peak_tls_kib: Option<u64>,
    pub(crate) round_trips: f64,
    /// Baselines are not deployed.
    pub(crate) zip_bytes: Option<u64>,
    /// To the baseline, by what was measured.
    pub(crate) ratios: BTreeMap<String, Ratio>,
}

/// A cold start, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) median: f64,
    pub(crate) p90: f64,
}

impl Results {
    /// The last ones, as they are in the folder.
    pub(crate) fn read() -> Self {
        fs::read_to_string(root().join(FILE)).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// The last ones that were committed.
    pub(crate) fn committed() -> Option<Self> {
        let output = Command::new("git").args(["show", &format!("HEAD:{FILE}")]).current_dir(root()).output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Keeps them.
    pub(crate) fn write(&self) -> Result<PathBuf> {
        let path = root().join(FILE);
        let mut text = serde_json::to_string_pretty(self).context("the results")?;
        text.push('\n');
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

/// What moved beyond the noise, ratio by ratio: microseconds of two machines say nothing.
pub(crate) fn moved(now: &[Function], before: &[Function]) -> Vec<String> {
    let mut lines = Vec::new();
    for function in now {
        let Some(old) = before.iter().find(|old| old.name == function.name) else {
            lines.push(format!("{}: was not measured before", function.name));
            continue;
        };
        for (what, ratio) in &function.ratios {
            let Some(old) = old.ratios.get(what) else { continue };
            if let Some(share) = ratio.moved(*old) {
                let word = if share > 0.0 { "up" } else { "down" };
                let percent = share.abs() * 100.0;
                lines.push(format!(
                    "{} {what}: {word} by {percent:.0} %, from {:.2} to {:.2} times its baseline",
                    function.name, old.value, ratio.value
                ));
            }
        }
    }
    lines
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A function that is `ratio` times its baseline.
    pub(crate) fn function(name: &str, ratio: f64) -> Function {
        Function {
            name: name.into(),
            baseline: Some("empty".into()),
            warm_p50_us: 100.0 * ratio,
            warm_p99_us: 300.0,
            cpu_us: 50.0,
            server_cpu_us: Some(70.0),
            cold_ms: Some(Start { median: 5.0, p90: 6.0 }),
            cold_tls_ms: None,
            peak_kib: 9000,
            peak_tls_kib: None,
            round_trips: 1.0,
            zip_bytes: Some(3_000_000),
            ratios: [("warm".to_owned(), Ratio { value: ratio, error: 0.01 })].into(),
        }
    }

    #[test]
    fn the_file_is_understood() {
        let text = fs::read_to_string(root().join(FILE)).unwrap();
        let results: Results = serde_json::from_str(&text).unwrap();
        let functions = results.functions.unwrap().figures;
        let list = functions.iter().find(|function| function.name == "list-tasks").unwrap();
        assert_eq!(list.baseline.as_deref(), Some("one-query list"));
    }

    #[test]
    fn only_ratios_that_moved_are_named() {
        let before = [function("a", 1.0), function("b", 1.0)];
        let now = [function("a", 1.01), function("b", 1.5), function("c", 1.0)];
        let lines = moved(&now, &before);
        assert_eq!(lines, ["b warm: up by 50 %, from 1.00 to 1.50 times its baseline", "c: was not measured before"]);
    }

    #[test]
    fn results_survive_their_file() {
        let functions = vec![function("a", 1.25)];
        let text = serde_json::to_string(&functions).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Function>>(&text).unwrap(), functions);
    }
}
