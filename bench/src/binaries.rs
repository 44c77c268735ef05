//! The binaries that are called, and how this machine runs them.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use devtools::{
    build::Processor,
    profile::Counts,
    settings::target,
    tools::system::{ARM64_LIBRARIES, Package},
};

use crate::process::Launch;

/// Binaries in folders of their names.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    folder: PathBuf,
    /// A program that runs them, with its arguments.
    under: Vec<String>,
    /// Variables that all of them get.
    variables: Vec<(String, String)>,
}

impl Binaries {
    /// The artefacts to deploy, and the baselines.
    pub(crate) fn of(processor: Processor) -> Self {
        Self { folder: processor.folder(), under: Vec::new(), variables: Vec::new() }
    }

    /// The artefacts that count what they execute.
    pub(crate) fn counting(processor: Processor, counts: &Counts) -> Result<Self> {
        let mut under = Vec::new();
        if Processor::here() != Some(processor) {
            let qemu = Package::Qemu.find().context("QEMU is missing")?;
            under.extend([qemu.display().to_string(), "-L".into(), ARM64_LIBRARIES.into()]);
        }
        let variables = vec![("LLVM_PROFILE_FILE".into(), counts.variable())];
        Ok(Self { folder: processor.counting_folder(), under, variables })
    }

    /// How to run a binary from a file of its own. Processes of one file share its pages, and so one finds in the
    /// processor's caches what another has just run. On Lambda each environment is a machine of its own.
    pub(crate) fn launch(&self, name: &str, binary: &str, variables: Vec<(String, String)>) -> Result<Launch> {
        let binary = self.folder.join(binary).join("bootstrap");
        let folder = target().join("bench").join("binaries").join(name.replace(' ', "-"));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let own = folder.join("bootstrap");
        // One that an earlier run has left may still run.
        let _ = fs::remove_file(&own);
        fs::copy(&binary, &own).with_context(|| binary.display().to_string())?;
        let variables = variables.into_iter().chain(self.variables.iter().cloned()).collect();
        Ok(Launch { name: name.into(), under: self.under.clone(), binary: own, variables })
    }

    /// The size of an artefact's zip, in bytes.
    pub(crate) fn zip_bytes(&self, name: &str) -> Option<u64> {
        fs::metadata(self.folder.join(format!("{name}.zip"))).ok().map(|file| file.len())
    }
}
