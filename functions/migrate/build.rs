//! Embeds `migrations/`: a list of (file name, text, text of the undo script).

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../migrations").canonicalize()?;
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        files.push(entry?.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?);
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let Some(stem) = file.strip_suffix(".sql") else {
            return Err(format!("migrations/{file} is not an .sql file").into());
        };
        if let Some((_, "undo")) = stem.rsplit_once('.') {
            continue;
        }
        let undo = format!("{stem}.undo.sql");
        if !files.contains(&undo) {
            return Err(format!("migrations/{file} has no migrations/{undo}").into());
        }
        let text = |file: &str| format!("include_str!({:?})", folder.join(file).display().to_string());
        writeln!(list, "    ({stem:?}, {}, {}),", text(file), text(&undo))?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migrations.rs"), list)?;
    Ok(())
}
