//! Virtual environments with packages from PyPI. Each package is pinned by version and hash.

use std::{fs, path::PathBuf, process::Stdio};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{process::Command, sync::OnceCell};

use super::{Lock, advice, downloaded, locked};
use crate::settings::{root, target};

/// The oldest Python for which all pinned packages have wheels.
const OLDEST: &str = "3.11";

/// A virtual environment below `target/tools`.
pub(super) struct Environment {
    name: &'static str,
    /// A description of the contents for the user.
    what: &'static str,
    /// The pinned packages, as in `devtools/tools/<name>.txt`.
    requirements: &'static str,
    ready: OnceCell<()>,
}

impl Environment {
    pub(super) const fn new(name: &'static str, what: &'static str, requirements: &'static str) -> Self {
        Self { name, what, requirements, ready: OnceCell::const_new() }
    }

    /// The path of one of its programs. Installs the environment first, and checks that the program runs.
    pub(super) async fn program(&self, program: &str, arguments: &[&str]) -> Result<PathBuf> {
        let path = self.bin().join(program);
        self.ready.get_or_try_init(async || self.install(program, arguments).await).await?;
        Ok(path)
    }

    /// The folder with its programs.
    pub(super) fn bin(&self) -> PathBuf {
        self.folder().join("bin")
    }

    /// The folder with its packages.
    pub(super) fn packages(&self) -> Result<PathBuf> {
        let lib = self.folder().join("lib");
        let mut pythons = fs::read_dir(&lib).with_context(|| lib.display().to_string())?.flatten();
        let packages = pythons.find_map(|entry| Some(entry.path().join("site-packages")).filter(|path| path.is_dir()));
        packages.ok_or_else(|| anyhow!("{} has no packages", lib.display()))
    }

    fn folder(&self) -> PathBuf {
        target().join("tools").join(self.name)
    }

    /// Whether the pinned packages are installed and work. Checking the files is not enough: after a checkout was
    /// moved, its scripts contain the old path.
    async fn runs(&self, program: &str, arguments: &[&str]) -> bool {
        let installed = fs::read_to_string(self.stamp()).unwrap_or_default();
        installed == self.requirements
            && run(Command::new(self.bin().join(program)).args(arguments).stdin(Stdio::null())).await.is_ok()
    }

    /// The stamp. It is written last, so it means that the installation is complete.
    fn stamp(&self) -> PathBuf {
        self.folder().join("requirements.txt")
    }

    async fn install(&self, program: &str, arguments: &[&str]) -> Result<()> {
        if self.runs(program, arguments).await {
            return Ok(());
        }
        locked(self.what, async |lock| {
            if self.runs(program, arguments).await {
                return Ok(());
            }
            let folder = self.folder();
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
            }
            let python = python(self.what).await?;
            let venv = run(Command::new(&python).args(["-m", "venv"]).arg(&folder).stdin(lock.stdin()?)).await;
            venv.map_err(|output| match output {
                output if output.contains("apt install python3") => {
                    anyhow!("Python 3 has no venv module here, to install {} with. On Debian and Ubuntu: apt install python3-venv", self.what)
                }
                output => anyhow!("{output}\n`python3 -m venv` failed. {}", advice()),
            })?;
            let pip = downloaded(self.what, || self.pip(lock)).await;
            pip.map_err(|output| anyhow!("{output}\n{} could not be installed. {}", self.what, advice()))?;
            let works = run(Command::new(self.bin().join(program)).args(arguments).stdin(Stdio::null())).await;
            works.map_err(|output| anyhow!("{output}\n{} was installed and does not run here.", self.what))?;
            fs::write(self.stamp(), self.requirements).with_context(|| self.stamp().display().to_string())
        })
        .await
    }

    /// Installs the pinned packages.
    async fn pip(&self, lock: &Lock) -> Result<(), String> {
        let mut command = Command::new(self.bin().join("python"));
        command
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "2"])
            .args(["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(root().join("devtools/tools").join(format!("{}.txt", self.name)))
            .stdin(lock.stdin().map_err(|error| error.to_string())?);
        run(&mut command).await
    }
}

/// The Python that creates virtual environments.
async fn python(what: &str) -> Result<PathBuf> {
    let advice = "Install Python 3.11 or newer; on Debian and Ubuntu: apt install python3 python3-venv";
    let script = "import sys; print('%d.%d' % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))";
    let python = PathBuf::from("python3");
    match Command::new(&python).args(["-c", script]).output().await {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => {
            let found = String::from_utf8_lossy(&output.stdout);
            bail!("{what} needs Python {OLDEST}, and python3 is Python {}. {advice}", found.trim())
        }
        Err(error) => bail!("Python 3 is missing, with which to install {what}: {error}. {advice}"),
    }
}

/// Runs a program to its end.
///
/// # Errors
/// The program's output, when it fails.
async fn run(command: &mut Command) -> Result<(), String> {
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").env("SAM_CLI_TELEMETRY", "0");
    let output = command.kill_on_drop(true).output().await.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&text).trim().to_owned())
}
