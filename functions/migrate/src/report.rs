//! The report of what was done.

use refinery::Migration;
use serde::Serialize;

use crate::{adopt::Adopted, schema::State};

/// The answer to an event.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The migrations that this run applied, in order.
    pub(crate) applied: Vec<Step>,
    /// The migrations that this run undid, in order.
    pub(crate) undone: Vec<Step>,
    /// The migrations that are not applied.
    pub(crate) pending: Vec<Step>,
    /// The newest version that is applied, or 0.
    pub(crate) version: i32,
    /// Whether this release's functions are in the database.
    pub(crate) functions: State,
    /// The tasks that were copied from another table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adopted: Option<Adopted>,
}

/// One migration.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    version: i32,
    name: String,
}

impl From<&Migration> for Step {
    fn from(migration: &Migration) -> Self {
        Self { version: migration.version(), name: migration.name().to_owned() }
    }
}
