//! `cargo xtask profile`: counts what the artefacts execute for requests of all kinds, for the compiler.

use anyhow::{Result, bail};
use devtools::{
    build::{self, Processor},
    postgres::ServerKind,
    profile::{self, Counts},
    tools::system,
    ui::{bar, say, step},
};

use crate::{
    binaries::Binaries,
    data::{Database, READER},
    process::Process,
    subject::{self, Subject},
    tokens,
};

/// How often each request is sent. What happens once, while an environment starts, then counts as rare.
const CALLS: usize = 200;

/// Makes the profiles of the artefacts for both processors, and writes them into the repository.
///
/// # Errors
/// When this machine cannot run both, when something is missing, and when a request is answered wrongly.
pub async fn run() -> Result<()> {
    if Processor::here() != Some(Processor::X86_64) {
        bail!("Profiles are made on x86-64 Linux, which can run the artefacts for both processors.");
    }
    profile::llvm_profdata().await?;
    system::prepare_arm64().await?;
    for processor in [Processor::X86_64, Processor::Arm64] {
        build::counting(processor).await?;
        let counts = Counts::new(processor)?;
        let binaries = Binaries::counting(processor, &counts)?;
        for kind in [ServerKind::Throwaway, ServerKind::Encrypted] {
            count(kind, &binaries).await?;
        }
        say(format!("Written to {}", counts.save().await?.display()));
    }
    // At the end, so that no profile of another compiler is taken for one of this.
    profile::save_compiler().await
}

/// Sends every request over a database of this kind.
async fn count(kind: ServerKind, binaries: &Binaries) -> Result<()> {
    let database = Database::start(kind, binaries).await?;
    database.fill(CALLS as u64).await?;
    let mut subjects = subject::functions(&database, binaries)?;
    for query in ["completed=true", "q=list", "sort=-created_at&limit=5", "sort=title&offset=2"] {
        let target = format!("/api/{READER}/tasks?{query}");
        subjects.push(subject::one("filtered list", ("GET", &target), READER, &database, binaries)?);
    }
    let (_issuer, tokens) = tokens::subjects(&database, binaries).await?;
    subjects.extend(tokens);
    step("Counting what requests execute");
    let bar = bar("Requests", subjects.len());
    for subject in &mut subjects {
        bar.inc(1);
        call(subject).await?;
    }
    bar.finish_and_clear();
    Ok(())
}

async fn call(subject: &mut Subject) -> Result<()> {
    let mut process = Process::start(&subject.launch).await?;
    for _ in 0..CALLS {
        subject.call(&mut process).await?;
    }
    process.end().await
}
