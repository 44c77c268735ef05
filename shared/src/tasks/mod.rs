//! Tasks: what they are, and one statement per operation.
//!
//! A task has an owner by its foreign key, so that whoever finds one need not look for the owner. A
//! statement that finds none has a row all the same, which says why: the database's function
//! `task_refusal` tells a user who is gone from a task that is another's, and that from none.
//! Changes are one `UPDATE` or `DELETE`, which waits for whoever else is at the row
//! and then works on what that left behind, so that nothing is lost between reading and writing.

mod change;
mod create;
mod cursor;
mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

pub use change::{complete, delete, update};
pub use create::{Created, create};
pub use cursor::SORTS;
pub use list::{ListQuery, MAX_LIMIT, TaskPage, list};

use crate::{
    Error, Result, Text,
    auth::Owner,
    db::{Db, Repeat},
    http::{Fields, Input, Nullable, Problems, Request, Version, Versioned},
    timestamp, users,
};

/// A title: 1 to 200 characters.
pub type Title = Text<1, 200>;
/// A description: up to 1000 characters.
pub type Description = Text<0, 1000>;

/// A task as the API shows it. Its texts are its own, or those of the row that it was read from.
#[derive(Debug, Serialize)]
pub struct Task<T = String> {
    id: i64,
    title: T,
    description: Option<T>,
    completed: bool,
    user_id: i32,
    #[serde(serialize_with = "timestamp::serialize")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

impl Task {
    /// Where the task is.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/api/{}/tasks/{}", self.user_id, self.id)
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
}

/// What POST takes.
#[derive(Debug)]
pub struct NewTask {
    title: Title,
    description: Nullable<Description>,
}

impl Input for NewTask {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::read(request, problems)?;
        let (title, description) = (fields.required("title"), fields.nullable("description"));
        Some(Self { title: title?, description })
    }
}

/// What PUT may change; what is not sent stays as it is.
#[derive(Debug)]
pub struct TaskChanges {
    title: Option<Title>,
    description: Nullable<Description>,
    completed: Option<bool>,
}

impl Input for TaskChanges {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::read(request, problems)?;
        Some(Self {
            title: fields.optional("title"),
            description: fields.nullable("description"),
            completed: fields.optional("completed"),
        })
    }
}

/// What PATCH may say: what to set, or nothing, to toggle.
#[derive(Debug)]
pub struct Completion {
    completed: Option<bool>,
}

impl Input for Completion {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::read_optional(request, problems)?;
        Some(Self { completed: fields.optional("completed") })
    }
}

/// The columns of [`Task`], in the order [`from_row`] reads them.
const COLUMNS: &str = "id, title, description, completed, user_id, created_at, updated_at";

/// The place of the column after them, `refusal`: when there is no task, why.
const REFUSAL: usize = 7;

/// One task.
///
/// # Errors
/// [`Error::TaskNotFound`], [`Error::Forbidden`] for another user's task, and
/// [`Error::Unauthenticated`] when the owner is gone.
pub async fn get(db: &Db, owner: Owner, id: TaskId) -> Result<Task> {
    let sql = format!(
        "
        SELECT {COLUMNS}, CASE WHEN id IS NULL THEN task_refusal($1, $2) END AS refusal
        FROM (SELECT) AS always
        LEFT JOIN task ON id = $2 AND user_id = $1
        "
    );
    own(&db.query(owner, Repeat::Safe, &sql, &[(&id.0, Type::INT8)]).await?)
}

/// The task in a statement's one row.
///
/// # Errors
/// Why it is not there.
fn own(rows: &[Row]) -> Result<Task> {
    let row = rows.first().ok_or(Error::TaskNotFound)?;
    match refusal(row) {
        None => Ok(from_row(row)),
        Some("no such user") => Err(users::gone()),
        Some("not own") => Err(Error::Forbidden),
        // Also when it was the owner's as the statement began: somebody deleted it meanwhile.
        Some(_) => Err(Error::TaskNotFound),
    }
}

/// Why a row has no task in it, as of the beginning of the statement.
fn refusal(row: &Row) -> Option<&str> {
    row.get(REFUSAL)
}

fn from_row<'a, T: FromSql<'a>>(row: &'a Row) -> Task<T> {
    Task {
        id: row.get(0),
        title: row.get(1),
        description: row.get(2),
        completed: row.get(3),
        user_id: row.get(4),
        created_at: row.get(5),
        updated_at: row.get(6),
    }
}
