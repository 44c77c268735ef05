//! Tests that commands, links and files in README and docs exist.

use std::{fs, path::PathBuf};

use clap::{Parser, error::ErrorKind};
use devtools::settings::root;

use crate::Cli;

/// (path, text) of every page.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<_> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root().join(name)).into();
    for folder in ["docs", "examples/better-auth", "examples/nextjs"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn commands_are_ones_that_there_are() {
    let mut found = 0;
    for (path, text) in pages() {
        for after in text.split("cargo xtask ").skip(1) {
            let end = after.find(['`', '\n', '#', '&', ';', ')', ',', '|']).unwrap_or(after.len());
            // A placeholder in brackets stands for a value that the reader fills in.
            let command = after[..end].replace("[function]", "get-task");
            let parsed = Cli::try_parse_from(["xtask"].into_iter().chain(command.split_whitespace()));
            // A sentence may name a command without its required arguments.
            let is_known = parsed.as_ref().map_err(clap::Error::kind).map_or_else(
                |kind| matches!(kind, ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelp),
                |_| true,
            );
            assert!(is_known, "{}: cargo xtask {command}: {}", path.display(), parsed.unwrap_err());
            found += 1;
        }
    }
    assert!(found > 40, "{found}");
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut found = 0;
    for (path, text) in pages() {
        let folder = path.parent().unwrap();
        for after in text.split("](").skip(1) {
            let target = after.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { folder.join(file) };
            assert!(file.exists(), "{}: {target} is not there", path.display());
            if !anchor.is_empty() {
                let linked = fs::read_to_string(&file).unwrap();
                let headings = linked.lines().filter(|line| line.starts_with('#')).map(anchor_of);
                assert!(
                    headings.into_iter().any(|heading| heading == anchor),
                    "{}: no heading #{anchor}",
                    path.display()
                );
            }
            found += 1;
        }
    }
    assert!(found > 40, "{found}");
}

/// Files are named in backticks, with their path from the root.
#[test]
fn files_that_are_named_are_there() {
    let folders = [
        "shared/",
        "functions/",
        "tests/",
        "xtask/",
        "devtools/",
        "docs/",
        "bench/",
        "migrations/",
        "events/",
        "examples/",
        "deploy/",
    ];
    let mut found = 0;
    for (page, text) in pages() {
        for name in text.split('`').skip(1).step_by(2) {
            let is_path = folders.iter().any(|folder| name.starts_with(folder));
            if is_path && !name.contains(['<', '*', ' ', '…', '{']) {
                assert!(root().join(name).exists(), "{}: {name} is not there", page.display());
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found}");
}

/// The anchor that GitHub gives a heading.
fn anchor_of(line: &str) -> String {
    let text = line.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}
