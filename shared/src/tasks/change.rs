//! Changing, completing and deleting a task.
//!
//! A statement has only what is asked for in it: planning what is not would take longer than
//! finding the task.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::{COLUMNS, Completion, Task, TaskChanges, TaskId, own, refusal};
use crate::{
    Error, Result, Text,
    auth::Owner,
    db::{Arguments, Db, Repeat},
    http::{IfMatch, Nullable},
    timestamp,
};

/// Changes a task and answers the result.
///
/// # Errors
/// As [`super::get`], and [`Error::PreconditionFailed`] when it is none of the versions in
/// `if_match`.
pub async fn update(db: &Db, owner: Owner, id: TaskId, changes: &TaskChanges, if_match: &IfMatch) -> Result<Task> {
    let mut write = Write::new(owner, id, if_match, Repeat::Safe);
    let mut assignments = Vec::new();
    if let Some(title) = &changes.title {
        assignments.push(format!("title = {}", write.arguments.push(title.as_str().to_owned(), Type::VARCHAR)));
    }
    if changes.description != Nullable::Absent {
        let description = changes.description.value().map(|text| Text::as_str(text).to_owned());
        assignments.push(format!("description = {}", write.arguments.push(description, Type::VARCHAR)));
    }
    if let Some(completed) = changes.completed {
        assignments.push(format!("completed = {}", write.arguments.push(completed, Type::BOOL)));
    }
    write.change(db, assignments).await
}

/// Completes a task or opens it again, as `completion` says; when it does not, completes one that
/// is open and opens one that is completed.
///
/// # Errors
/// As [`update`].
pub async fn complete(db: &Db, owner: Owner, id: TaskId, completion: &Completion, if_match: &IfMatch) -> Result<Task> {
    let repeat = if completion.completed.is_some() { Repeat::Safe } else { Repeat::Never };
    let mut write = Write::new(owner, id, if_match, repeat);
    let value = match completion.completed {
        Some(completed) => write.arguments.push(completed, Type::BOOL),
        None => "NOT completed".into(),
    };
    write.change(db, vec![format!("completed = {value}")]).await
}

/// Deletes a task and answers what it was.
///
/// # Errors
/// As [`update`].
pub async fn delete(db: &Db, owner: Owner, id: TaskId, if_match: &IfMatch) -> Result<Task> {
    Write::new(owner, id, if_match, Repeat::Never).run(db, "DELETE FROM task").await
}

/// A write of one task of the owner's.
struct Write {
    owner: Owner,
    repeat: Repeat,
    arguments: Arguments,
    /// The name of the task's id.
    id: String,
    /// What else the task has to be.
    condition: String,
}

impl Write {
    fn new(owner: Owner, id: TaskId, if_match: &IfMatch, repeat: Repeat) -> Self {
        let mut arguments = Arguments::default();
        let id = arguments.push(id.0, Type::INT8);
        let mut write = Self { owner, repeat, arguments, id, condition: String::new() };
        if let Some(versions) = if_match.versions() {
            let versions = versions.iter().filter_map(|version| timestamp::from_micros(version.0));
            let versions: Vec<DateTime<Utc>> = versions.collect();
            let versions = write.arguments.push(versions, Type::TIMESTAMPTZ_ARRAY);
            write.condition = format!(" AND updated_at = ANY({versions})");
            // A second time there would be another version, which the condition does not fit.
            write.repeat = Repeat::Never;
        }
        write
    }

    /// Sets columns. `updated_at` always moves forward, also when the clock does not.
    async fn change(&self, db: &Db, mut assignments: Vec<String>) -> Result<Task> {
        assignments.push("updated_at = GREATEST(CURRENT_TIMESTAMP, updated_at + INTERVAL '1 microsecond')".into());
        self.run(db, &format!("UPDATE task SET {}", assignments.join(", "))).await
    }

    /// Runs an `UPDATE` or `DELETE`, and tells why it found no task.
    async fn run(&self, db: &Db, statement: &str) -> Result<Task> {
        let sql = format!(
            "
            WITH written AS (
                {statement}
                WHERE id = {id} AND user_id = $1{condition}
                RETURNING {COLUMNS}
            )
            SELECT {COLUMNS}, CASE WHEN id IS NULL THEN task_refusal($1, {id}) END AS refusal
            FROM (SELECT) AS always
            LEFT JOIN written ON TRUE
            ",
            id = self.id,
            condition = self.condition,
        );
        let rows = db.query(self.owner, self.repeat, &sql, &self.arguments.parameters()).await?;
        if !self.condition.is_empty() && rows.first().and_then(refusal) == Some("own") {
            return Err(Error::PreconditionFailed);
        }
        own(&rows)
    }
}
