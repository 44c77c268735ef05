//! What `xtask`, the benchmark, the fault suite and the tests' harness share: finding and installing tools, starting
//! Postgres and other programs, settings, builds, and what the user sees.

// Each function that can fail says in its error what went wrong and what helps; repeating that above each adds nothing.
#![allow(clippy::missing_errors_doc)]

pub mod build;
mod dotenv;
pub mod postgres;
pub mod process;
pub mod settings;
pub mod signal;
pub mod small_disk;
pub mod token;
pub mod tools;
pub mod ui;
