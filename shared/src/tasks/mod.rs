//! Tasks: what they are, and one statement per operation.
//!
//! Every statement begins at the owner's row in `"user"`: no row in its answer means that the
//! user is gone. Changes are one `UPDATE` or `DELETE`, which waits for whoever else is at the row
//! and then works on what that left behind, so that nothing is lost between reading and writing.

mod create;
mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

pub use create::{Created, create};
pub use list::{ListQuery, MAX_LIMIT, SORTS, TaskPage, list};

use crate::{
    Error, Result, Text,
    auth::Owner,
    db::{Db, Parameter, Repeat},
    http::{Fields, IfMatch, Input, Nullable, Problems, Request, Version, Versioned},
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
        LEFT JOIN task AS own ON own.id = $2 AND own.user_id = owner.id
        WHERE owner.id = $1
        "#,
        columns = columns("own"),
    );
    own(owner, &db.query(owner, Repeat::Safe, &sql, &[(&id.0, Type::INT8)]).await?)
}

/// Changes a task and answers the result.
///
/// # Errors
/// As [`get`], and [`Error::PreconditionFailed`] when it is none of the versions in `if_match`.
pub async fn update(db: &Db, owner: Owner, id: TaskId, changes: &TaskChanges, if_match: &IfMatch) -> Result<Task> {
    let title = changes.title.as_ref().map(Text::as_str);
    let description = changes.description.value().map(Text::as_str);
    let parameters: [Parameter; 4] = [
        (&title, Type::TEXT),
        (&changes.description.is_sent(), Type::BOOL),
        (&description, Type::TEXT),
        (&changes.completed, Type::BOOL),
    ];
    let assignments = "title = COALESCE($4, title),
                description = CASE WHEN $5 THEN $6 ELSE description END,
                completed = COALESCE($7, completed)";
    let write = Write { owner, id, if_match, repeat: Repeat::Safe };
    write.change(db, assignments, &parameters).await
}

/// Completes a task or opens it again, as `completion` says; when it does not, completes one that
/// is open and opens one that is completed.
///
/// # Errors
/// As [`update`].
pub async fn complete(db: &Db, owner: Owner, id: TaskId, completion: &Completion, if_match: &IfMatch) -> Result<Task> {
    let repeat = if completion.completed.is_some() { Repeat::Safe } else { Repeat::Never };
    let write = Write { owner, id, if_match, repeat };
    write.change(db, "completed = COALESCE($4, NOT completed)", &[(&completion.completed, Type::BOOL)]).await
}

/// Deletes a task and answers what it was.
///
/// # Errors
/// As [`update`].
pub async fn delete(db: &Db, owner: Owner, id: TaskId, if_match: &IfMatch) -> Result<Task> {
    let write = Write { owner, id, if_match, repeat: Repeat::Never };
    write.run(db, "DELETE FROM task USING owner", &[]).await
}

/// A write of the owner's task, and what it may be.
struct Write<'a> {
    owner: Owner,
    id: TaskId,
    if_match: &'a IfMatch,
    repeat: Repeat,
}

impl Write<'_> {
    /// Sets columns. `updated_at` always moves forward, also when the clock does not.
    async fn change(&self, db: &Db, assignments: &str, parameters: &[Parameter<'_>]) -> Result<Task> {
        let statement = format!(
            "UPDATE task
            SET {assignments},
                updated_at = GREATEST(CURRENT_TIMESTAMP, task.updated_at + INTERVAL '1 microsecond')
            FROM owner"
        );
        self.run(db, &statement, parameters).await
    }

    /// Runs an `UPDATE` or `DELETE`, whose parameters are `$4` and on, and tells why it found no
    /// task.
    async fn run(&self, db: &Db, statement: &str, parameters: &[Parameter<'_>]) -> Result<Task> {
        let sql = format!(
            r#"
        WITH owner AS (
            SELECT id FROM "user" WHERE id = $1
        ), written AS (
            {statement}
            WHERE task.id = $2 AND task.user_id = owner.id
              AND ($3 IS NULL OR task.updated_at = ANY($3))
            RETURNING {task}
        )
        SELECT {written}, CASE WHEN written.id IS NULL THEN task_holder($2) END AS holder
        FROM owner
        LEFT JOIN written ON TRUE
        "#,
            task = columns("task"),
            written = columns("written"),
        );
        let versions: Option<Vec<DateTime<Utc>>> = self
            .if_match
            .versions()
            .map(|versions| versions.iter().filter_map(|version| timestamp::from_micros(version.0)).collect());
        let mut all: Vec<Parameter> = vec![(&self.id.0, Type::INT8), (&versions, Type::TIMESTAMPTZ_ARRAY)];
        all.extend(parameters.iter().cloned());
        // A second time there would be another version, which the condition does not fit.
        let repeat = if versions.is_some() { Repeat::Never } else { self.repeat };
        let rows = db.query(self.owner, repeat, &sql, &all).await?;
        if versions.is_some() && rows.first().and_then(holder) == Some(self.owner.id()) {
            return Err(Error::PreconditionFailed);
        }
        own(self.owner, &rows)
    }
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
