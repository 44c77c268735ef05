//! Keeping things on one core.
//!
//! A call goes from this program to the function, to Postgres and back, and only one of them works at a time. On
//! several cores, each step would wake another core up, which on a virtual machine takes longer than much of what is
//! measured.

use std::{
    process::{Command, Stdio},
    thread,
};

use devtools::tools::system::on_path;

/// A command that runs another command on the last core; empty when this machine has no `taskset`.
pub(crate) fn command() -> Vec<String> {
    let taskset = on_path("taskset").map(|path| path.display().to_string());
    taskset.map_or_else(Vec::new, |taskset| vec![taskset, "--cpu-list".into(), last_core()])
}

/// Keeps this program, and what it starts from now on, on the last core. Whether that worked.
pub(crate) fn this_program() -> bool {
    let Some(taskset) = on_path("taskset") else {
        eprintln!("There is no taskset here, so the figures have the time in them that waking a core takes.");
        return false;
    };
    let pid = std::process::id().to_string();
    let status = Command::new(taskset)
        .args(["--all-tasks", "--cpu-list", "--pid", &last_core(), &pid])
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// The last core, as the kernel does more of its own work on the first.
fn last_core() -> String {
    (thread::available_parallelism().map_or(1, usize::from) - 1).to_string()
}
