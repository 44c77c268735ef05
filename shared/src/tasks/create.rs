//! Creating a task, and creating it only once for an idempotency key.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;

use super::{NewTask, Task};
use crate::{
    Error, Result,
    auth::Owner,
    db::{Db, Fields, Outcome, Parameter, Retry, call},
    http::{Body, IdempotencyKey},
};

/// A new task, or the task that an earlier request with the same key created.
#[derive(Debug)]
pub struct Created {
    /// The task as it was when it was created.
    pub task: Task,
    /// Whether an earlier request created it.
    pub is_replay: bool,
}

/// Creates a task, unless the owner has `max_tasks` tasks.
///
/// # Errors
/// [`Error::Unauthenticated`] when the owner was deleted, [`Error::TaskLimitReached`], and [`Error::Invalid`] when
/// the key was sent before with another task.
pub async fn create(
    db: &Db,
    owner: &Owner,
    task: &NewTask,
    key: Option<&IdempotencyKey>,
    max_tasks: i32,
) -> Result<Created> {
    // Names every field, so that a new field does not compile without its place here.
    let NewTask { title, description } = task;
    let parameters: [Parameter; 3] = [(title, Type::TEXT), (description, Type::TEXT), (&max_tasks, Type::INT4)];
    let answer = if let Some(key) = key {
        let (key, fingerprint) = (key.as_str(), task.fingerprint());
        let [title, description, max_tasks] = parameters;
        let parameters = [title, description, max_tasks, (&key, Type::TEXT), (&fingerprint, Type::BYTEA)];
        let call = call!("create_task_once($1, $2, $3, $4, $5, $6, $7, $8)");
        // A second attempt gets the answer of the first.
        db.write(owner, Retry::IfConnectionLost, call, &parameters).await?
    } else {
        db.write(owner, Retry::Never, call!("create_task($1, $2, $3, $4, $5, $6)"), &parameters).await?
    };
    let is_replay = match (answer.outcome()?, key) {
        (Outcome::Done, _) => false,
        (Outcome::Replayed, _) => true,
        (Outcome::Limit, _) => return Err(Error::TaskLimitReached(max_tasks)),
        (Outcome::KeyReused, Some(key)) => return Err(key.reused_error()),
        (other, _) => return Err(other.into()),
    };
    let at = answer.field(3)?;
    Ok(Created {
        task: Task {
            id: answer.field(2)?,
            title: title.as_str().to_owned(),
            description: description.value().map(|text| text.as_str().to_owned()),
            completed: false,
            user_id: owner.id().clone(),
            created_at: at,
            updated_at: at,
        },
        is_replay,
    })
}

impl NewTask {
    /// SHA-256 of all the fields that were sent. It tells a repeated request from another request with the same key.
    fn fingerprint(&self) -> Vec<u8> {
        Sha256::digest(Value::Object(self.sent()).to_string()).to_vec()
    }
}
