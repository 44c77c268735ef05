//! Tasks: what they are, and one statement per operation.
//!
//! Every statement begins at the owner's row in `"user"`: no row in its answer means that the
//! user is gone. Changes are one `UPDATE` or `DELETE`, which waits for whoever else is at the row
//! and then works on what that left behind, so that nothing is lost between reading and writing.

mod change;
mod create;
mod cursor;
mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

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

/// A task as the API shows it.
#[derive(Debug, Serialize)]
pub struct Task {
    id: i64,
    title: String,
    description: Option<String>,
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
        let id = request.path_integer("id", problems)?;
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
const COLUMNS: [&str; 7] = ["id", "title", "description", "completed", "user_id", "created_at", "updated_at"];

/// The columns of [`Task`] from the table or subquery `of`.
fn columns(of: &str) -> String {
    COLUMNS.map(|column| format!("{of}.{column}")).join(", ")
}

/// One task.
///
/// # Errors
/// [`Error::TaskNotFound`], [`Error::Forbidden`] for another user's task, and
/// [`Error::Unauthenticated`] when the owner is gone.
pub async fn get(db: &Db, owner: Owner, id: TaskId) -> Result<Task> {
    let sql = format!(
        r#"
        SELECT {columns}, CASE WHEN own.id IS NULL THEN task_holder($2) END AS holder
        FROM "user" AS owner
        LEFT JOIN task AS own ON own.id = $2 AND own.user_id = $1
        WHERE owner.id = $1
        "#,
        columns = columns("own"),
    );
    own(owner, &db.query(owner, Repeat::Safe, &sql, &[(&id.0, Type::INT8)]).await?)
}

/// The task in a statement's one row, or why it is not there: when it is the owner's and missing all
/// the same, somebody deleted it meanwhile.
fn own(owner: Owner, rows: &[Row]) -> Result<Task> {
    let row = rows.first().ok_or_else(users::gone)?;
    if row.get::<_, Option<i64>>(0).is_some() {
        return Ok(from_row(row));
    }
    match holder(row) {
        Some(holder) if holder != owner.id() => Err(Error::Forbidden),
        _ => Err(Error::TaskNotFound),
    }
}

/// The column after the task: when there is none, whose task has that id, as of the beginning of
/// the statement.
fn holder(row: &Row) -> Option<i32> {
    row.get(COLUMNS.len())
}

fn from_row(row: &Row) -> Task {
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
