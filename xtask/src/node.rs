//! Programs in JavaScript, and the packages they need.

use std::{ffi::OsStr, fs, path::Path};

use tokio::process::Command;

use crate::{
    tools,
    ui::{Failure, step},
};

/// Installs the packages of a folder, unless they are.
pub(crate) async fn install(folder: &Path) -> Result<(), Failure> {
    tools::node()?;
    let (lock, installed) = (folder.join("package-lock.json"), folder.join("node_modules").join("installed.json"));
    if fs::read(&lock)? == fs::read(&installed).unwrap_or_default() {
        return Ok(());
    }
    step(&format!("Installing the packages of {}", folder.display()));
    let npm = run(Command::new("npm").current_dir(folder), ["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).await;
    npm.map_err(|failure| Failure::new(format!("{failure}: is there a network?")))?;
    fs::copy(lock, installed)?;
    Ok(())
}

/// Runs a program to its end.
pub(crate) async fn run<S: AsRef<OsStr>>(
    command: &mut Command,
    arguments: impl IntoIterator<Item = S>,
) -> Result<(), Failure> {
    let status = command.args(arguments).kill_on_drop(true).status().await?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{:?}` failed", command.as_std()))) }
}
