//! Tasks, with one database function per operation.
//!
//! A task belongs to an owner through a foreign key, so an operation that finds a task does not check its owner's
//! row. An operation that finds no task returns the reason: the user was deleted, the task is another
//! user's, or there is no such task. A change is one `UPDATE` or `DELETE`. It waits at the row for another change to
//! end, and then works on the result. So no change is lost between reading and writing.

mod change;
mod create;
mod cursor;
mod list;
mod query;

use chrono::{DateTime, Utc};
#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use tokio_postgres::types::{FromSql, Type};

pub use change::{complete, delete, update};
pub use create::{Created, create};
pub use cursor::SORTS;
pub(crate) use cursor::one_per_sort;
pub use list::{DefaultSort, TaskPage, list};
pub use query::{ListQuery, MAX_LIMIT, ORDERS, SORT_ALIASES, STATUSES, Search};

#[cfg(feature = "openapi")]
use crate::openapi::ErrorResponse;
use crate::{
    Result, Text,
    auth::{Owner, UserId},
    db::{Db, DbError, Fields, call},
    http::{Input, Problems, Request, Version, Versioned, body},
    timestamp,
};

/// A title: 1 to 200 characters.
pub type Title = Text<1, 200>;
/// A description: up to 1000 characters.
pub type Description = Text<0, 1000>;

/// A task.
// `T` is `String`, or `&str` for a text that belongs to the row that the task was read from.
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
    /// The path of the task.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/api/{}/tasks/{}", self.user_id.in_path(), self.id)
    }
}

impl Versioned for Task {
    /// The time of the last change, which always moves forward.
    fn version(&self) -> Version {
        Version(self.updated_at.timestamp_micros())
    }
}

/// The id of a task in a path. An id past 64 bits is `None`, which becomes NULL in SQL and equals no row's id.
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

/// Returns a task.
///
/// # Errors
/// [`crate::Error::TaskNotFound`], [`crate::Error::Forbidden`] for another user's task, and
/// [`crate::Error::Unauthenticated`] when the owner was deleted.
pub async fn get(db: &Db, owner: &Owner, id: TaskId) -> Result<Task> {
    let answer = db.read_one(owner, call!("get_task($1, $2)"), &[(&id.0, Type::INT8)]).await?;
    answer.outcome()?.done()?;
    Ok(task(owner, &answer)?)
}

/// Defines the fields of a task in what functions return, with their Postgres types, in order, and the code that
/// reads them. In SQL, `{{task_types}}` stands for the columns with their types, and `{{found_task}}` for the row of a
/// task `t` that was found.
macro_rules! columns {
    ($($column:ident $kind:literal),* $(,)?) => {
        pub(crate) const COLUMNS: &[(&str, &str)] = &[$((stringify!($column), $kind)),*];

        /// The task in an answer or in a row of a list, after `outcome` and `clock`.
        fn task<'a, T: FromSql<'a>>(owner: &Owner, fields: &'a impl Fields) -> Result<Task<T>, DbError> {
            let mut next = 2..;
            let mut at = || next.next().unwrap_or_default();
            Ok(Task { $($column: fields.field(at())?,)* user_id: owner.id().clone() })
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
