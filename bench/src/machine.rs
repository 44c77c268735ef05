//! Where and when something was measured.

use std::fs;

use devtools::settings::root;
use serde::{Deserialize, Serialize};

/// Above this load a machine is busy.
const BUSY: f64 = 0.5;

/// The machine and the commit: without them a figure says nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) postgres: String,
    pub(crate) date: String,
    pub(crate) commit: String,
    /// The load average of the minute before.
    pub(crate) load_before: f64,
    /// Whether everything ran on one core.
    pub(crate) one_core: bool,
}

impl Machine {
    /// This machine, now.
    pub(crate) fn here(postgres: String, load_before: f64, one_core: bool) -> Self {
        let field = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            line.trim_start_matches(['\t', ' ', ':']).to_owned()
        };
        Self {
            // The file has no name for Arm processors.
            cpu: Some(field("/proc/cpuinfo", "model name"))
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: cores(),
            kernel: field("/proc/sys/kernel/osrelease", ""),
            postgres,
            date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
            commit: commit(),
            load_before,
            one_core,
        }
    }

    /// Whether other programs were at work. They slow down a baseline and the function beside it by the same time,
    /// which brings ratios nearer to one.
    pub(crate) fn was_busy(&self) -> bool {
        self.load_before > BUSY
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let Self { cpu, cores, kernel, postgres, date, commit, load_before, one_core } = self;
        let used = if *one_core { ", one of them used" } else { "" };
        format!(
            "{cpu}, {cores} cores{used}, Linux {kernel}, Postgres {postgres}; {date}, commit {commit}; load before {load_before:.2}"
        )
    }
}

/// The number of cores, also when this program is kept on one.
fn cores() -> usize {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count()
}

/// The load average of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The commit that is checked out, and whether files differ from it. The results do not count, since a run writes them.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).current_dir(root()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results.*"]);
    let mark = if changed.is_empty() { "" } else { ", changed" };
    format!("{}{mark}", git(&["rev-parse", "--short", "HEAD"]))
}
