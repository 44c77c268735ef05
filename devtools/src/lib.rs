//! Code that `xtask`, the benchmark, the fault suite and the tests share: finding and installing tools, starting
//! Postgres and other programs, settings, builds, and output for the user.

// The errors themselves say what went wrong and what helps. An `# Errors` section on each function would repeat
// that.
#![allow(clippy::missing_errors_doc)]

pub mod build;
mod dotenv;
pub mod postgres;
pub mod process;
pub mod profile;
pub mod settings;
pub mod signal;
pub mod small_disk;
pub mod token;
pub mod tools;
pub mod ui;
