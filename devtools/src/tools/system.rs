//! Packages of Debian, for programs that neither PyPI nor npm has. Installing them needs root.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Result, bail};
use tokio::process::Command;

use crate::{
    small_disk::SmallDisk,
    ui::{say, waiting},
};

/// A package that root installs on Debian. On other systems it is used if it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// The pooler that Neon puts in front of its databases.
    PgBouncer,
    /// A library that shows a process another time.
    Faketime,
    /// A program that counts instructions.
    Valgrind,
    /// An emulator that runs arm64 programs on another processor.
    Qemu,
    /// The C library for arm64 programs.
    Arm64Libraries,
}

/// Debian's folder for arm64 libraries.
pub const ARM64_LIBRARIES: &str = "/usr/aarch64-linux-gnu";

impl Package {
    /// The packages for the test command.
    const ALL: [Self; 3] = [Self::PgBouncer, Self::Faketime, Self::Valgrind];

    /// The packages for running arm64 artefacts.
    const ON_ARM64: [Self; 2] = [Self::Qemu, Self::Arm64Libraries];

    /// The package's name in Debian.
    const fn name(self) -> &'static str {
        match self {
            Self::PgBouncer => "pgbouncer",
            Self::Faketime => "libfaketime",
            Self::Valgrind => "valgrind",
            Self::Qemu => "qemu-user",
            Self::Arm64Libraries => "libc6-arm64-cross",
        }
    }

    /// The tests that need the package.
    const fn purpose(self) -> &'static str {
        match self {
            Self::PgBouncer => "what goes through a pooler",
            Self::Faketime => "steps of the clock",
            Self::Valgrind => "the number of instructions of a request",
            Self::Qemu | Self::Arm64Libraries => "the artefacts for arm64",
        }
    }

    /// The package's program or library, if it is installed.
    #[must_use]
    pub fn find(self) -> Option<PathBuf> {
        match self {
            // Debian installs PgBouncer in a folder that only root's PATH has.
            Self::PgBouncer => {
                on_path("pgbouncer").or_else(|| Some(PathBuf::from("/usr/sbin/pgbouncer")).filter(|path| path.exists()))
            }
            Self::Faketime => {
                let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime"));
                folders.map(|folder| folder.join("libfaketime.so.1")).find(|library| library.exists())
            }
            Self::Valgrind => on_path("valgrind"),
            // On arm64, arm64 programs run without these.
            Self::Qemu | Self::Arm64Libraries if cfg!(target_arch = "aarch64") => Some(PathBuf::new()),
            Self::Qemu => on_path("qemu-aarch64").or_else(|| on_path("qemu-aarch64-static")),
            Self::Arm64Libraries => {
                Some(PathBuf::from(ARM64_LIBRARIES)).filter(|folder| folder.join("lib/ld-linux-aarch64.so.1").exists())
            }
        }
    }
}

/// Installs missing packages if root runs this on Debian. Returns what is not tested without those still missing,
/// and prints it in one block, with the command that helps.
///
/// # Errors
/// When `CI` is set and something is not tested, because everything must be tested there.
pub async fn prepare() -> Result<Vec<String>> {
    let missing = || Package::ALL.into_iter().filter(|package| package.find().is_none()).collect::<Vec<_>>();
    if !missing().is_empty() && is_root() && on_path("apt-get").is_some() {
        install(&missing()).await?;
    }
    let missing = missing();
    let mut not_tested: Vec<_> = missing.iter().map(|package| package.purpose().to_owned()).collect();
    if !SmallDisk::is_possible() {
        not_tested.push("a full disk (root makes a small one, where it may mount)".into());
    }
    if not_tested.is_empty() {
        return Ok(not_tested);
    }
    let mut text = format!("NOT TESTED here: {}.", not_tested.join("; "));
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|package| package.name()).collect();
        text = format!("{text}\nTo test it: sudo apt-get install --no-install-recommends {}", names.join(" "));
    }
    if env::var_os("CI").is_some() {
        bail!(
            "{text}\nCI is set, and there everything is to be tested: run this as root on Debian, not in a container."
        );
    }
    say(format!("\n{text}\n"));
    Ok(not_tested)
}

/// Installs the packages for running arm64 artefacts, if some are missing and root runs this.
pub async fn prepare_arm64() -> Result<()> {
    let missing: Vec<_> = Package::ON_ARM64.into_iter().filter(|package| package.find().is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if is_root() && on_path("apt-get").is_some() {
        return install(&missing).await;
    }
    let names: Vec<_> = missing.iter().map(|package| package.name()).collect();
    bail!("Artefacts for arm64 run through QEMU here: sudo apt-get install --no-install-recommends {}", names.join(" "))
}

/// Installs packages as root.
async fn install(packages: &[Package]) -> Result<()> {
    let names = packages.iter().map(|package| package.name()).collect::<Vec<_>>();
    apt(&names).await
}

/// Installs Debian's packages as root.
pub async fn apt(names: &[&str]) -> Result<()> {
    waiting(&format!("Installing {} with apt-get (once)", names.join(", ")), async {
        let install: Vec<&str> = ["install", "--yes", "--no-install-recommends"].iter().chain(names).copied().collect();
        if run(&install).await.is_ok() {
            return Ok(());
        }
        // The package list may be old or missing.
        run(&["update"]).await?;
        run(&install).await
    })
    .await
}

async fn run(arguments: &[&str]) -> Result<()> {
    // Another apt-get may run, for example on a machine that has just started.
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=120"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    let output = command.stdin(Stdio::null()).output().await?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    bail!("{}`apt-get {}` failed.", String::from_utf8_lossy(&text), arguments.join(" "))
}

/// Whether this runs as root.
#[must_use]
pub fn is_root() -> bool {
    std::process::Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// A program's path on the PATH.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(Path::new(name))).find(|candidate| candidate.is_file())
}
