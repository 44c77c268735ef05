//! Tasks: what they are, and one statement per operation.
//!
//! Every statement begins at the owner's row in `"user"`: no row in its answer means that the
//! user is gone. Changes are one `UPDATE` or `DELETE`, which waits for whoever else is at the row
//! and then works on what that left behind, so that nothing is lost between reading and writing.

mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

pub use list::{ListQuery, MAX_LIMIT, SORTS, TaskPage, list};

use crate::{
    Error, Result, Text,
    auth::Owner,
    db::{Db, Parameter},
    http::{Fields, Input, Nullable, Problems, Request},
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
        SELECT {columns}, found.user_id AS holder
        FROM "user" AS owner
        LEFT JOIN task AS found ON found.id = $2
        LEFT JOIN task AS own ON own.id = found.id AND own.user_id = owner.id
        WHERE owner.id = $1
        "#,
        columns = columns("own"),
    );
    own(owner, &db.query(owner, &sql, &[(&id.0, Type::INT8)]).await?)
}

/// Creates a task. The owner's row is locked against deletion until the task is there, so that an
/// owner who is deleted at the same moment is either gone before or takes the task along.
///
/// # Errors
/// [`Error::Unauthenticated`] when the owner is gone.
pub async fn create(db: &Db, owner: Owner, task: &NewTask) -> Result<Task> {
    let sql = format!(
        r#"
        WITH owner AS (
            SELECT id FROM "user" WHERE id = $1 FOR KEY SHARE
        )
        INSERT INTO task (user_id, title, description)
        SELECT owner.id, $2, $3 FROM owner
        RETURNING {columns}
        "#,
        columns = columns("task"),
    );
    let (title, description) = (task.title.as_str(), task.description.value().map(Text::as_str));
    let rows = db.query(owner, &sql, &[(&title, Type::TEXT), (&description, Type::TEXT)]).await?;
    rows.first().map(from_row).ok_or_else(users::gone)
}

/// Changes a task and answers the result.
///
/// # Errors
/// As [`get`].
pub async fn update(db: &Db, owner: Owner, id: TaskId, changes: &TaskChanges) -> Result<Task> {
    let title = changes.title.as_ref().map(Text::as_str);
    let description = changes.description.value().map(Text::as_str);
    let parameters: [Parameter; 4] = [
        (&title, Type::TEXT),
        (&changes.description.is_sent(), Type::BOOL),
        (&description, Type::TEXT),
        (&changes.completed, Type::BOOL),
    ];
    let assignments = "title = COALESCE($3, title),
                description = CASE WHEN $4 THEN $5 ELSE description END,
                completed = COALESCE($6, completed)";
    change(db, owner, id, assignments, &parameters).await
}

/// Completes a task that is open, and opens one that is completed.
///
/// # Errors
/// As [`get`].
pub async fn toggle(db: &Db, owner: Owner, id: TaskId) -> Result<Task> {
    change(db, owner, id, "completed = NOT completed", &[]).await
}

/// Deletes a task and answers what it was.
///
/// # Errors
/// As [`get`].
pub async fn delete(db: &Db, owner: Owner, id: TaskId) -> Result<Task> {
    let statement = "DELETE FROM task USING owner WHERE task.id = $2 AND task.user_id = owner.id";
    write(db, owner, id, statement, &[]).await
}

/// Sets columns of a task. `updated_at` always moves forward, also when the clock does not.
async fn change(db: &Db, owner: Owner, id: TaskId, assignments: &str, parameters: &[Parameter<'_>]) -> Result<Task> {
    let statement = format!(
        "UPDATE task
            SET {assignments},
                updated_at = GREATEST(CURRENT_TIMESTAMP, task.updated_at + INTERVAL '1 microsecond')
            FROM owner
            WHERE task.id = $2 AND task.user_id = owner.id"
    );
    write(db, owner, id, &statement, parameters).await
}

/// Runs an `UPDATE` or `DELETE` of the owner's task `$2`, and tells why it found none.
async fn write(db: &Db, owner: Owner, id: TaskId, statement: &str, parameters: &[Parameter<'_>]) -> Result<Task> {
    let sql = format!(
        r#"
        WITH owner AS (
            SELECT id FROM "user" WHERE id = $1
        ), written AS (
            {statement}
            RETURNING {task}
        )
        SELECT {written}, found.user_id AS holder
        FROM owner
        LEFT JOIN written ON TRUE
        LEFT JOIN task AS found ON found.id = $2
        "#,
        task = columns("task"),
        written = columns("written"),
    );
    let mut all: Vec<Parameter> = vec![(&id.0, Type::INT8)];
    all.extend(parameters.iter().cloned());
    own(owner, &db.query(owner, &sql, &all).await?)
}

/// The task in a statement's one row, or why it is not there. The column after the task is whose
/// task has that id, as of the beginning of the statement: when that is the owner and the task is
/// missing all the same, somebody deleted it meanwhile.
fn own(owner: Owner, rows: &[Row]) -> Result<Task> {
    let row = rows.first().ok_or_else(users::gone)?;
    if row.get::<_, Option<i64>>(0).is_some() {
        return Ok(from_row(row));
    }
    match row.get::<_, Option<i32>>(COLUMNS.len()) {
        Some(holder) if holder != owner.id() => Err(Error::Forbidden),
        _ => Err(Error::TaskNotFound),
    }
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
