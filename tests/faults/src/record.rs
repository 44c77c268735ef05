//! What clients asked for and what they were told, and what the database says became of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// The `updated_at` of a task. It always moves forward, so that each change of the task has another one.
pub(crate) type Version = DateTime<Utc>;

/// An operation of a client. A client does one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    /// The number of the client.
    pub(crate) client: usize,
    /// What it asked for.
    pub(crate) action: Action,
    /// What it was told.
    pub(crate) outcome: Outcome,
    /// When the client was told that the database is not available, if that was the answer. The operation must not be
    /// done after that.
    pub(crate) unavailable_at: Option<DateTime<Utc>>,
}

/// What a client asks for. A title that it writes is written by no other operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Create a task. With an `Idempotency-Key` it is sent until there is an answer.
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
        /// The new value of `completed`.
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
pub(crate) enum Outcome {
    /// It is done, and this is the task now.
    Done(Seen),
    /// The task is deleted.
    Deleted,
    /// These are all tasks of the list.
    Listed(Vec<Seen>),
    /// 4xx: nothing was changed.
    Refused(u64),
    /// 5xx or no answer: it is done once or not at all.
    Unknown,
}

/// A task as an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its id.
    pub(crate) task: i64,
    /// Its `updated_at`.
    pub(crate) version: Version,
}

/// What the trigger wrote about one change, in the transaction of the change.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The task's id.
    pub(crate) task: i64,
    /// The row before; `None` when the change created it.
    pub(crate) old: Option<Image>,
    /// The row after; `None` when the change deleted it.
    pub(crate) new: Option<Image>,
    /// When it was made.
    pub(crate) at: DateTime<Utc>,
}

/// The columns of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// `title`.
    pub(crate) title: String,
    /// `description`.
    pub(crate) description: Option<String>,
    /// `completed`.
    pub(crate) completed: bool,
    /// `updated_at`.
    pub(crate) version: Version,
}

/// What the database says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// All changes in their order in time. For one task the order is exact, as its row was locked.
    pub(crate) changes: Vec<Change>,
    /// The rows at the end.
    pub(crate) tasks: BTreeMap<i64, Image>,
}
