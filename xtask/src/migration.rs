//! The files of a new migration.

use std::fs;

use anyhow::{Context, Result, bail};
use devtools::{settings::root, ui::step};

/// Creates `V<n>__<name>.sql` and its undo script. `n` is the next number.
pub(crate) fn create(name: &str) -> Result<()> {
    let is_name = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        bail!("The name of a migration has lower-case letters, digits and _, such as add_due_date.");
    }
    let stem = format!("V{}__{name}", newest()? + 1);
    for (file, comment) in [
        (
            format!("{stem}.sql"),
            "-- What changes, and why. Old and new functions run side by side during a deployment: both must\n-- work with the schema that this leaves.\n",
        ),
        (format!("{stem}.undo.sql"), "-- The way back.\n"),
    ] {
        fs::write(root().join("migrations").join(&file), comment).with_context(|| file.clone())?;
        step(&format!("Made migrations/{file}"));
    }
    Ok(())
}

/// The number of the newest migration.
pub(crate) fn newest() -> Result<u32> {
    let folder = root().join("migrations");
    let mut newest = 0;
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let version =
            file.strip_prefix('V').and_then(|rest| rest.split_once("__")).and_then(|(version, _)| version.parse().ok());
        newest = newest.max(version.unwrap_or(0));
    }
    Ok(newest)
}
