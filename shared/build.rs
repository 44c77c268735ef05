//! Names the schema of this release's functions by their text, and lists the functions of the stores: see
//! `src/release/mod.rs`.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// The folders with a file of SQL for each operation.
const STORES: [&str; 2] = ["tasks", "users"];

/// The other files with parts of that SQL.
const PARTS: [&str; 3] = ["release/mod.rs", "tasks/cursor.rs", "tasks/mod.rs"];

fn main() -> Result<(), Box<dyn Error>> {
    let source = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("src");
    println!("cargo::rerun-if-changed=src");
    let mut files = Vec::new();
    collect(&source, &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files.iter().cloned().chain(PARTS.map(|part| source.join(part))) {
        let text = fs::read(file)?;
        // With their lengths, so that no text can pass from one file into the next unnoticed.
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    let start = hash.finalize().iter().take(8).fold(0_u64, |start, byte| start << 8 | u64::from(*byte));
    println!("cargo::rustc-env=RELEASE_SCHEMA=task_api_{start:016x}");
    let is_operation = |file: &&PathBuf| STORES.iter().any(|store| file.parent() == Some(&source.join(store)));
    let operations = files.iter().filter(is_operation);
    let included: Vec<_> = operations.map(|file| format!("include_str!(r\"{}\")", file.display())).collect();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("operations.rs"), format!("&[{}]\n", included.join(",\n")))?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    Ok(())
}
