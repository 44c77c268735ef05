//! The profiles of the artefacts: counts of how often each part of their code runs, made by `cargo xtask profile`. With
//! them, the compiler puts together what runs for every request, and apart what does not, so that a request touches
//! fewer lines and pages of code
//! ([profile-guided optimization](https://doc.rust-lang.org/rustc/profile-guided-optimization.html)).
//!
//! A profile names functions as one version of rustc names them on one kind of host. Another finds nothing in it, and
//! then the artefacts are built without it.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use tokio::process::Command;

use crate::{
    build::Processor,
    settings::{cargo, root, target},
    tools::system,
    ui::say,
};

/// The compiler whose profiles are in the repository, and its host.
fn compiler_file() -> PathBuf {
    root().join("devtools/profile/rustc")
}

fn file(processor: Processor) -> PathBuf {
    root().join("devtools/profile").join(format!("{}.profdata.gz", processor.name()))
}

/// Whether the artefacts are built with their profile here: rustc must be the one that made it.
pub async fn is_used() -> Result<bool> {
    Ok(compiler_of_profiles()? == compiler().await?)
}

fn compiler_of_profiles() -> Result<String> {
    let path = compiler_file();
    Ok(fs::read_to_string(&path).with_context(|| path.display().to_string())?.trim().to_owned())
}

async fn compiler() -> Result<String> {
    let output = cargo("rustc").arg("-vV").current_dir(root()).output().await.context("rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let version = text.lines().next().zip(host).map(|(version, host)| format!("{version} on {host}"));
    version.context("rustc -vV names no host")
}

/// The options with which rustc uses a processor's profile.
pub(crate) async fn flags(processor: Processor) -> Result<String> {
    flags_with(processor, &compiler().await?)
}

/// As [`flags`], for the compiler `here`.
fn flags_with(processor: Processor, here: &str) -> Result<String> {
    let made = compiler_of_profiles()?;
    if made != here {
        say(format!(
            "The profiles are of {made}, and this is {here}: the artefacts are built without them, and need a fifth \
             more instructions for a request. `cargo xtask profile` makes new ones."
        ));
        return Ok(String::new());
    }
    let path = file(processor);
    let compressed = fs::File::open(&path).with_context(|| path.display().to_string())?;
    let mut profile = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut profile).with_context(|| path.display().to_string())?;
    // Named by its content, and written once: cargo builds everything again when the name or the file's time changes.
    let mut hasher = DefaultHasher::new();
    profile.hash(&mut hasher);
    let copy = target().join("profile").join(format!("{:016x}.profdata", hasher.finish()));
    if !copy.exists() {
        // Another command may do the same now.
        let partial = copy.with_extension(std::process::id().to_string());
        fs::create_dir_all(target().join("profile"))?;
        fs::write(&partial, profile).with_context(|| partial.display().to_string())?;
        fs::rename(&partial, &copy)?;
    }
    // What a request does not need goes to the end of the file, and not only to the end of its function. Where the code
    // is newer than the profile, functions that have changed are compiled as without it.
    Ok(format!(
        "-Cprofile-use={} -Cllvm-args=-enable-split-machine-functions -Cllvm-args=-no-pgo-warn-mismatch",
        copy.display()
    ))
}

/// A script in `folder` that stands for Zig as the linker of binaries that count: rustc gives it `-u NAME`, which Zig
/// takes only as `-Wl,-u,NAME`.
pub(crate) fn counting_linker(zig: &Path, folder: &Path) -> Result<PathBuf> {
    let script = format!(
        r#"#!/bin/sh
name=
for argument do
    shift
    if [ "$argument" = -u ]; then
        name=next
    elif [ "$name" = next ]; then
        name=
        set -- "$@" "-Wl,-u,$argument"
    else
        set -- "$@" "$argument"
    fi
done
exec "{}" "$@"
"#,
        zig.display()
    );
    let path = folder.join("zig");
    fs::create_dir_all(folder)?;
    fs::write(&path, script).with_context(|| path.display().to_string())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// A profile that is being made.
pub struct Counts {
    processor: Processor,
    folder: PathBuf,
}

impl Counts {
    /// No counts.
    pub fn new(processor: Processor) -> Result<Self> {
        let folder = target().join("profile").join("counts").join(processor.name());
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self { processor, folder })
    }

    /// The value of `LLVM_PROFILE_FILE`, which tells artefacts that count where to put their counts. Processes of one
    /// binary add theirs to one file.
    #[must_use]
    pub fn variable(&self) -> String {
        self.folder.join("%m.profraw").display().to_string()
    }

    /// Puts the counts together, and writes them into the repository.
    pub async fn save(&self) -> Result<PathBuf> {
        let mut command = Command::new(llvm_profdata().await?);
        let merged = self.folder.with_extension("profdata");
        command.args(["merge", "--sparse", "--output"]).arg(&merged);
        let mut count = 0;
        for entry in fs::read_dir(&self.folder).with_context(|| self.folder.display().to_string())? {
            command.arg(entry?.path());
            count += 1;
        }
        if count == 0 || !command.status().await.context("llvm-profdata")?.success() {
            bail!("llvm-profdata could not read the {count} files in {}", self.folder.display());
        }
        let to = file(self.processor);
        let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
        compressed.write_all(&fs::read(&merged).with_context(|| merged.display().to_string())?)?;
        fs::write(&to, compressed.finish()?).with_context(|| to.display().to_string())?;
        Ok(to)
    }
}

/// Notes that this compiler has made the profiles, of all processors.
pub async fn save_compiler() -> Result<()> {
    fs::write(compiler_file(), format!("{}\n", compiler().await?)).context("devtools/profile/rustc")
}

/// LLVM's program that puts counts together: rustup's, or else the system's.
pub async fn llvm_profdata() -> Result<PathBuf> {
    let output =
        cargo("rustc").args(["--print", "target-libdir"]).current_dir(root()).output().await.context("rustc")?;
    let of_rustup = Path::new(String::from_utf8_lossy(&output.stdout).trim()).with_file_name("bin/llvm-profdata");
    let of_system = ["llvm-profdata-22", "llvm-profdata-21", "llvm-profdata-20", "llvm-profdata-19"];
    Some(of_rustup)
        .filter(|program| program.exists())
        .or_else(|| of_system.into_iter().find_map(system::on_path))
        .context("llvm-profdata is missing: rustup component add llvm-tools, or apt-get install llvm-19")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_gets_no_profile() {
        assert_eq!(
            flags_with(Processor::Arm64, "rustc 1.0.0 (a59de37e9 2015-05-13) on x86_64-unknown-linux-gnu").unwrap(),
            ""
        );
    }

    /// A copy that is written again would make cargo build everything again.
    #[test]
    fn each_processor_has_a_profile_that_is_copied_once() {
        let compiler = compiler_of_profiles().unwrap();
        assert!(compiler.starts_with("rustc 1."), "{compiler}");
        let mut copies = Vec::new();
        for processor in [Processor::Arm64, Processor::X86_64] {
            let flags = flags_with(processor, &compiler).unwrap();
            let copy = flags.strip_prefix("-Cprofile-use=").unwrap().split(' ').next().unwrap().to_owned();
            // What LLVM's indexed profiles begin with.
            assert!(fs::read(&copy).unwrap().starts_with(b"\xfflprofi\x81"), "{copy}");
            let written = fs::metadata(&copy).unwrap().modified().unwrap();
            flags_with(processor, &compiler).unwrap();
            assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), written);
            copies.push(copy);
        }
        copies.dedup();
        assert_eq!(copies.len(), 2);
    }

    /// Zig takes `-u` in another form than rustc gives it, and everything else as it is.
    #[test]
    fn the_linker_gets_its_options() {
        let linker = counting_linker(Path::new("echo"), &target().join("tmp").join("linker")).unwrap();
        let arguments = ["cc", "-o", "a file", "-u", "__llvm_profile_runtime", "-lc"];
        let output = std::process::Command::new("sh").arg(linker).args(arguments).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "cc -o a file -Wl,-u,__llvm_profile_runtime -lc\n");
    }
}
