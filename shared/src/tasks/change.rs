//! Changing, completing and deleting a task.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::{Completion, Task, TaskChanges, TaskId, task};
use crate::{
    Result,
    auth::Owner,
    db::{Db, Parameter, Retry, call},
    http::IfMatch,
    timestamp,
};

/// Changes a task and returns the result.
///
/// # Errors
/// As [`super::get`], and [`crate::Error::PreconditionFailed`] when the task's version is not in `if_match`.
pub async fn update(db: &Db, owner: &Owner, id: TaskId, changes: &TaskChanges, if_match: &IfMatch) -> Result<Task> {
    let versions = versions(if_match);
    // Names every field, so that a new field does not compile without its place here.
    let TaskChanges { title, description, completed } = changes;
    let parameters: [Parameter; 6] = [
        (&id.0, Type::INT8),
        (&versions, Type::TIMESTAMPTZ_ARRAY),
        (title, Type::TEXT),
        (&description.is_sent(), Type::BOOL),
        (description, Type::TEXT),
        (completed, Type::BOOL),
    ];
    let call = call!("update_task($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    let answer = db.write(owner, retry(if_match, true), call, &parameters).await?;
    answer.outcome()?.done()?;
    Ok(task(owner, &answer)?)
}

/// Completes a task or opens it again, as `completion` says. Without a value, it toggles: it completes an open task
/// and opens a completed one.
///
/// # Errors
/// As [`update`].
pub async fn complete(db: &Db, owner: &Owner, id: TaskId, completion: &Completion, if_match: &IfMatch) -> Result<Task> {
    let versions = versions(if_match);
    let parameters: [Parameter; 3] =
        [(&id.0, Type::INT8), (&versions, Type::TIMESTAMPTZ_ARRAY), (&completion.completed, Type::BOOL)];
    // A second toggle would undo the first.
    let retry = retry(if_match, completion.completed.is_some());
    let answer = db.write(owner, retry, call!("complete_task($1, $2, $3, $4, $5, $6)"), &parameters).await?;
    answer.outcome()?.done()?;
    Ok(task(owner, &answer)?)
}

/// Deletes a task.
///
/// # Errors
/// As [`update`].
pub async fn delete(db: &Db, owner: &Owner, id: TaskId, if_match: &IfMatch) -> Result<()> {
    let versions = versions(if_match);
    let parameters: [Parameter; 2] = [(&id.0, Type::INT8), (&versions, Type::TIMESTAMPTZ_ARRAY)];
    // A second attempt would not find the task.
    let answer = db.write(owner, Retry::Never, call!("delete_task($1, $2, $3, $4, $5)"), &parameters).await?;
    Ok(answer.outcome()?.done()?)
}

/// The versions that the task may have. `None` if any version will do.
fn versions(if_match: &IfMatch) -> Option<Vec<DateTime<Utc>>> {
    let versions = if_match.versions()?;
    Some(versions.iter().filter_map(|version| timestamp::from_micros(version.0)).collect())
}

/// Whether a write may run twice. A condition forbids that even for an idempotent write: after the first run, the
/// task has another version, which the condition does not allow.
fn retry(if_match: &IfMatch, is_idempotent: bool) -> Retry {
    if is_idempotent && if_match.versions().is_none() { Retry::IfConnectionLost } else { Retry::Never }
}
