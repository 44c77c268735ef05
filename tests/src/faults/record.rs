//! What clients asked for and what they were told, and what the database says became of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// A task's `updated_at`, which no two changes of it share: it always moves forward.
pub type Version = DateTime<Utc>;

/// One operation of a client, which does one after the other.
#[derive(Debug, Clone)]
pub struct Op {
    /// Whose.
    pub client: usize,
    /// What it asked for.
    pub action: Action,
    /// What it was told.
    pub fate: Fate,
    /// When it was told that the database is not available, if that was its answer: from then on nothing
    /// may come of it any more.
    pub unavailable_at: Option<DateTime<Utc>>,
}

/// What a client asks for. A title that it writes is written by no other operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A new task; when it has an `Idempotency-Key`, as often as it took to be told.
    Create {
        /// Its title.
        title: String,
    },
    /// PUT.
    Update {
        /// The task's id.
        task: i64,
        /// The title it gets.
        title: String,
        /// The version that `If-Match` names.
        guard: Option<Version>,
        /// The number it gets as its description, where a task is a counter.
        number: Option<u64>,
    },
    /// PATCH without a body.
    Toggle {
        /// The task's id.
        task: i64,
    },
    /// PATCH with a body.
    Set {
        /// The task's id.
        task: i64,
        /// What `completed` shall be.
        completed: bool,
    },
    /// DELETE.
    Delete {
        /// The task's id.
        task: i64,
    },
    /// GET of one task.
    Get {
        /// The task's id.
        task: i64,
    },
    /// GET of all of them.
    List,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Done, and this is the task now.
    Done(Seen),
    /// It is gone.
    Deleted,
    /// These are all.
    Listed(Vec<Seen>),
    /// 4xx: nothing was changed.
    Refused(u64),
    /// 5xx or no answer: done once or not at all, now or later.
    Unknown,
}

/// A task as an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub task: i64,
    /// Its `updated_at`.
    pub version: Version,
}

/// What a trigger wrote about one change, in the same transaction.
#[derive(Debug, Clone)]
pub struct Change {
    /// The task's id.
    pub task: i64,
    /// What was there; nothing when it was created.
    pub old: Option<Image>,
    /// What is there now; nothing when it was deleted.
    pub new: Option<Image>,
    /// When it was made.
    pub at: DateTime<Utc>,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `title`.
    pub title: String,
    /// `description`.
    pub description: Option<String>,
    /// `completed`.
    pub completed: bool,
    /// `updated_at`.
    pub version: Version,
}

/// What the database says.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Every change in the order they were made; of one task that is exact, as its row was locked.
    pub changes: Vec<Change>,
    /// The rows that are there at the end.
    pub tasks: BTreeMap<i64, Image>,
}
