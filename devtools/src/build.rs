//! `cargo xtask build`: the artefacts to deploy, one zip per function.

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::process::Command;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::{
    profile,
    settings::{cargo, root, target},
    tools,
    ui::step,
};

/// The version of glibc on Amazon Linux 2023. An artefact must not use symbols of a newer version.
const GLIBC: (u32, u32) = (2, 34);

/// The maximum size of the zip of an API function, in bytes.
const BUDGET: usize = 4608 * 1024;

/// The maximum size of the migrate function's zip, in bytes. It may be larger, because no user waits for its cold
/// start.
const MIGRATE_BUDGET: usize = 6 * 1024 * 1024;

/// The processors that Lambda offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// AWS Graviton, which the deployed artefacts are built for.
    Arm64,
    /// Intel and AMD.
    X86_64,
}

impl Processor {
    fn option(self) -> &'static str {
        match self {
            Self::Arm64 => "--arm64",
            Self::X86_64 => "--x86-64",
        }
    }

    /// Its name in the names of files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86-64",
        }
    }

    /// The folder with the artefacts. `template.yaml` deploys those for [`Processor::Arm64`].
    #[must_use]
    pub fn folder(self) -> PathBuf {
        target().join(match self {
            Self::Arm64 => "lambda",
            Self::X86_64 => "lambda-x86-64",
        })
    }

    /// The folder with the artefacts for a test, which needs only some of them.
    #[must_use]
    pub fn test_folder(self) -> PathBuf {
        self.folder().with_extension("test")
    }

    /// The folder with the artefacts that count what they execute.
    #[must_use]
    pub fn counting_folder(self) -> PathBuf {
        target().join("profile").join(self.name())
    }

    /// The processor of this machine, if artefacts can run here.
    #[must_use]
    pub fn here() -> Option<Self> {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            Some(Self::X86_64)
        } else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
            Some(Self::Arm64)
        } else {
            None
        }
    }
}

/// Builds the binaries of the workspace for this machine: the functions, and the fault suite.
pub async fn debug() -> Result<()> {
    step("Building the functions");
    let status = cargo("cargo").args(["build", "--bins"]).current_dir(root()).status().await?;
    if status.success() { Ok(()) } else { Err(anyhow!("The functions do not build.")) }
}

/// Builds every function and prints the sizes of the zips.
pub async fn run(processor: Processor) -> Result<()> {
    run_with(processor, &[]).await
}

/// Builds some functions for a test, into another folder, so that the folder to deploy always has all functions.
pub async fn some(processor: Processor, functions: &[&str]) -> Result<()> {
    compile(processor, &processor.test_folder(), functions.iter().copied(), Optimization::Profile).await?;
    for function in functions {
        let folder = processor.test_folder();
        let binary = folder.join(function).join("bootstrap");
        let bytes = fs::read(&binary).with_context(|| binary.display().to_string())?;
        check_glibc(function, &bytes)?;
        let path = folder.join(format!("{function}.zip"));
        fs::write(&path, pack(&bytes)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Builds every function to count what it executes, into [`Processor::counting_folder`].
pub async fn counting(processor: Processor) -> Result<()> {
    let functions = names()?;
    compile(processor, &processor.counting_folder(), functions.iter().map(String::as_str), Optimization::Counting).await
}

/// As [`run`], plus other binaries of the workspace, which are not deployed and have no profile.
pub async fn run_with(processor: Processor, others: &[&str]) -> Result<()> {
    let functions = names()?;
    compile(processor, &processor.folder(), functions.iter().map(String::as_str), Optimization::Profile).await?;
    if !others.is_empty() {
        compile(processor, &processor.folder(), others.iter().copied(), Optimization::Plain).await?;
    }
    let mut too_large = Vec::new();
    println!("{:<16}{:>12}{:>12}", "function", "binary/KiB", "zip/KiB");
    for function in &functions {
        let binary = processor.folder().join(function).join("bootstrap");
        let bytes = fs::read(&binary).with_context(|| binary.display().to_string())?;
        check_glibc(function, &bytes)?;
        let zip = pack(&bytes)?;
        let path = processor.folder().join(format!("{function}.zip"));
        fs::write(&path, &zip).with_context(|| path.display().to_string())?;
        println!("{function:<16}{:>12}{:>12}", bytes.len() / 1024, zip.len() / 1024);
        let budget = if function == "migrate" { MIGRATE_BUDGET } else { BUDGET };
        if zip.len() > budget {
            too_large.push(format!("{function} has more than {} KiB", budget / 1024));
        }
    }
    if too_large.is_empty() {
        return Ok(());
    }
    Err(anyhow!(too_large.join("\n")))
}

/// The names of the functions: the folders in `functions/`.
fn names() -> Result<Vec<String>> {
    let folder = root().join("functions");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Compiles the binaries of [`run_with`] on x86-64 with the lowest priority, while this machine waits for something
/// else. The output goes to a file, because [`run_with`] prints errors again.
pub async fn in_background(others: &[&str]) -> Result<()> {
    let functions = names()?;
    let functions: Vec<_> = functions.iter().map(String::as_str).collect();
    let log = fs::File::create(target().join("artefacts.log")).context("target/artefacts.log")?;
    for (binaries, optimization) in [(&*functions, Optimization::Profile), (others, Optimization::Plain)] {
        let (processor, binaries) = (Processor::X86_64, binaries.iter().copied());
        let mut command = compiler(processor, &processor.folder(), binaries, optimization).await?;
        let command = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let mut child = command.kill_on_drop(true).spawn()?;
        if let Some(id) = child.id() {
            // If this fails, the build only runs with a higher priority.
            let _ = std::process::Command::new("renice")
                .args(["-n", "19", "-p", &id.to_string()])
                .stdout(Stdio::null())
                .status();
        }
        if !child.wait().await?.success() {
            break;
        }
    }
    Ok(())
}

/// How the compiler optimizes, besides what the release profile of `Cargo.toml` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Optimization {
    /// With the [profile] of the artefacts.
    Profile,
    /// With nothing else.
    Plain,
    /// For binaries that count what they execute, which makes a profile.
    Counting,
}

/// Compiles all binaries at once. The same commit and compiler must give the same bytes, so the binaries contain no time.
async fn compile(
    processor: Processor,
    folder: &Path,
    binaries: impl Iterator<Item = &str>,
    optimization: Optimization,
) -> Result<()> {
    step(match optimization {
        Optimization::Profile => "Building the artefacts (a first time takes ten minutes)",
        Optimization::Plain => "Building the baselines",
        Optimization::Counting => "Building artefacts that count what they execute",
    });
    let status = compiler(processor, folder, binaries, optimization).await?.status().await?;
    if status.success() { Ok(()) } else { Err(anyhow!("The artefacts do not build.")) }
}

async fn compiler(
    processor: Processor,
    folder: &Path,
    binaries: impl Iterator<Item = &str>,
    optimization: Optimization,
) -> Result<Command> {
    let cargo_lambda = tools::cargo_lambda().await?;
    let mut zig = tools::zig().await?;
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let mut flags =
        format!("--remap-path-prefix={}=/src --remap-path-prefix={}=/target", root().display(), target().display());
    if let Ok(home) = home {
        flags = format!("{flags} --remap-path-prefix={home}=/cargo");
    }
    let mut command = cargo(cargo_lambda);
    // Each optimization has a folder of its own for what cargo keeps: with other options it would build all crates again.
    match optimization {
        Optimization::Profile => flags = format!("{flags} {}", profile::flags(processor).await?),
        Optimization::Plain => {
            command.env("CARGO_TARGET_DIR", target().join("baselines"));
        }
        Optimization::Counting => {
            flags.push_str(" -Cprofile-generate");
            command.env("CARGO_TARGET_DIR", target().join("profile").join("build"));
            zig = profile::counting_linker(&zig, &target().join("profile"))?;
        }
    }
    command.args(["lambda", "build", "--release", "--locked", processor.option(), "--lambda-dir"]).arg(folder);
    for binary in binaries {
        // One `--package` for each binary: otherwise the artefacts would include features of `shared` that only
        // developer commands need.
        command.args(["--package", binary, "--bin", binary]);
    }
    command
        .env("CARGO_ZIGBUILD_ZIG_PATH", zig)
        .env("RUSTFLAGS", flags)
        .env("SOURCE_DATE_EPOCH", "0")
        .current_dir(root());
    Ok(command)
}

/// Refuses a binary that would not start on Lambda, because it names symbols of a newer glibc.
fn check_glibc(function: &str, binary: &[u8]) -> Result<()> {
    match newest_glibc(binary) {
        Some(version) if version <= GLIBC => Ok(()),
        found => bail!("{function} needs glibc {found:?}; Lambda has {GLIBC:?}"),
    }
}

fn newest_glibc(binary: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_2.";
    let marks = binary.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let minors = marks.filter_map(|(at, _)| {
        let digits: String = binary
            .get(at + MARK.len()..)?
            .iter()
            .take(3)
            .map_while(|byte| byte.is_ascii_digit().then_some(char::from(*byte)))
            .collect();
        digits.parse().ok()
    });
    minors.max().map(|minor| (2, minor))
}

/// Makes a zip with the binary and the root certificates that it trusts. The zip contains no time.
fn pack(binary: &[u8]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default());
    zip.start_file("bootstrap", options.unix_permissions(0o755)).context("bootstrap")?;
    zip.write_all(binary)?;
    let roots = fs::read(roots()).context("shared/roots.pem")?;
    zip.start_file("roots.pem", options.unix_permissions(0o644)).context("roots.pem")?;
    zip.write_all(&roots)?;
    Ok(zip.finish().context("the zip")?.into_inner())
}

fn roots() -> PathBuf {
    Path::new(&root()).join("shared").join("roots.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_counts() {
        assert_eq!(newest_glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.17\0"), Some((2, 34)));
        assert_eq!(newest_glibc(b"nothing"), None);
        assert!(check_glibc("x", b"GLIBC_2.34\0").is_ok());
        assert!(check_glibc("x", b"GLIBC_2.35\0").is_err());
    }

    /// The artefacts do not need the crates that describe the API, which are for `cargo xtask generate`.
    #[test]
    fn artefacts_have_no_developer_dependencies() {
        let mut command = std::process::Command::new("cargo");
        command.args(["tree", "--offline", "--edges", "normal", "--prefix", "none"]).current_dir(root());
        for function in names().unwrap() {
            command.args(["--package", &function]);
        }
        let output = command.output().unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(tree.contains("tokio-postgres ") && !tree.contains("schemars "), "{tree}");
    }

    #[test]
    fn the_same_binary_gives_the_same_zip() {
        assert_eq!(pack(b"binary").unwrap(), pack(b"binary").unwrap());
    }
}
