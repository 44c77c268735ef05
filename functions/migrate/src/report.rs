//! What was done.

use refinery::Migration;
use serde::Serialize;

use crate::{adopt::Adopted, schema::State};

/// The answer to an event.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What was applied now, in order.
    pub(crate) applied: Vec<Step>,
    /// What was undone now, in order.
    pub(crate) undone: Vec<Step>,
    /// What is not applied.
    pub(crate) pending: Vec<Step>,
    /// The newest version that is applied; 0 when there is none.
    pub(crate) version: i32,
    /// Whether this release's functions are there.
    pub(crate) functions: State,
    /// What was taken over from another table.
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
