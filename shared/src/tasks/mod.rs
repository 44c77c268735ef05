//! Tasks: what they are, and one function of the database per operation.
//!
//! A task has an owner by its foreign key, so that whoever finds one need not look for the owner. A function
//! that finds none says why in its row: the user is gone, the task is another's, or there is none. Changes
//! are one `UPDATE` or `DELETE`, which waits for another at the row and then works on what that left behind,
//! so that nothing is lost between reading and writing.

mod change;
mod create;
mod cursor;
mod list;
mod query;

use chrono::{DateTime, Utc};
#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

pub use change::{complete, delete, update};
pub use create::{Created, create};
pub use cursor::SORTS;
pub(crate) use cursor::one_per_sort;
pub use list::{DefaultSort, TaskPage, list};
pub use query::{ListQuery, MAX_LIMIT, ORDERS, SORT_ALIASES, STATUSES};

#[cfg(feature = "openapi")]
use crate::openapi::ErrorResponse;
use crate::{
    Result, Text,
    auth::{Owner, UserId},
    db::{Db, Outcome, call},
    http::{Input, Problems, Request, Version, Versioned, body},
    timestamp,
};

/// A title: 1 to 200 characters.
pub type Title = Text<1, 200>;
/// A description: up to 1000 characters.
pub type Description = Text<0, 1000>;

/// A task.
// Its texts are its own, or those of the row that it was read from.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema), schemars(rename = "Task"))]
pub struct Task<T = String> {
    #[cfg_attr(feature = "openapi", schemars(example = 1))]
    id: i64,
    #[cfg_attr(feature = "openapi", schemars(example = &"Buy milk"))]
    title: T,
    #[cfg_attr(feature = "openapi", schemars(example = &"two litres"))]
    description: Option<T>,
    completed: bool,
    user_id: UserId,
    #[serde(serialize_with = "timestamp::serialize")]
    #[cfg_attr(feature = "openapi", schemars(with = "DateTime<Utc>", example = timestamp::EXAMPLE))]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    #[cfg_attr(feature = "openapi", schemars(with = "DateTime<Utc>", example = timestamp::EXAMPLE))]
    updated_at: DateTime<Utc>,
}

impl Task {
    /// Where the task is.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/api/{}/tasks/{}", self.user_id.in_path(), self.id)
    }
}

impl Versioned for Task {
    /// The instant of the last change, which always moves forward.
    fn version(&self) -> Version {
        Version(self.updated_at.timestamp_micros())
    }
}

/// The id in a path. One that is past 64 bits is `None`: SQL's NULL, which no row's id equals.
#[derive(Debug, Clone, Copy)]
pub struct TaskId(Option<i64>);

impl Input for TaskId {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let id = request.task_id(problems)?;
        Some(Self(id.try_into().ok()))
    }

    #[cfg(feature = "openapi")]
    fn describe(operation: &mut crate::openapi::Operation) {
        let schema = serde_json::json!({ "type": "integer", "format": "int64", "examples": [1] });
        operation.in_path("id", "The id of a task.", &schema);
        operation.fails_with(ErrorResponse::TaskNotFound);
    }
}

body! {
    /// What POST takes.
    pub struct NewTask: read {
        required title: Title = "Buy milk",
        nullable description: Description = "two litres",
    }
}

body! {
    /// What PUT may change; what is not sent stays as it is.
    pub struct TaskChanges: read {
        optional title: Title = "Buy oat milk",
        nullable description: Description = "one litre",
        optional completed: bool = true,
    }
}

body! {
    /// What PATCH may say: what to set, or nothing, to toggle.
    pub struct Completion: read_optional {
        optional completed: bool = true,
    }
}

/// One task.
///
/// # Errors
/// [`crate::Error::TaskNotFound`], [`crate::Error::Forbidden`] for another user's task, and
/// [`crate::Error::Unauthenticated`] when the owner is gone.
pub async fn get(db: &Db, owner: &Owner, id: TaskId) -> Result<Task> {
    let row = db.read_one(owner, call!("get_task($1, $2)"), &[(&id.0, Type::INT8)]).await?;
    Outcome::of(&row).done()?;
    Ok(from_read(owner, &row))
}

/// The task in a row of a function that reads: after its `outcome`.
fn from_read<'a, T: FromSql<'a>>(owner: &Owner, row: &'a Row) -> Task<T> {
    from_columns(owner, row, 1)
}

/// The task in the row of a function that writes: after its `outcome` and `clock`.
fn from_write<'a, T: FromSql<'a>>(owner: &Owner, row: &'a Row) -> Task<T> {
    from_columns(owner, row, 2)
}

/// The columns of a task in the rows of functions, in their order and with their types in Postgres, and what
/// reads them. SQL writes `{{task_columns}}`, `{{task_out}}`, `{{task_types}}` and `{{task_into}}` for them.
macro_rules! columns {
    ($($column:ident $kind:literal),* $(,)?) => {
        pub(crate) const COLUMNS: &[(&str, &str)] = &[$((stringify!($column), $kind)),*];

        fn from_columns<'a, T: FromSql<'a>>(owner: &Owner, row: &'a Row, first: usize) -> Task<T> {
            let mut next = first..;
            let mut at = || next.next().unwrap_or_default();
            Task { $($column: row.get(at()),)* user_id: owner.id().clone() }
        }
    };
}

columns! {
    id "BIGINT",
    title "VARCHAR",
    description "VARCHAR",
    completed "BOOLEAN",
    created_at "TIMESTAMPTZ",
    updated_at "TIMESTAMPTZ",
}
