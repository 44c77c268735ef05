//! Creating a task, at most once for a key.

use tokio_postgres::types::Type;

use super::{COLUMNS, NewTask, Task, from_row};
use crate::{
    Error, Result, Text,
    auth::Owner,
    db::{Db, Parameter, Repeat},
    http::IdempotencyKey,
    users,
};

/// The most expired keys that one create removes.
const MOST_EXPIRED: i64 = 100;

/// A task that was created, by this request or by the same one before.
#[derive(Debug)]
pub struct Created {
    /// The task as it was when it was created.
    pub task: Task,
    /// Whether that was before.
    pub is_replay: bool,
}

/// Creates a task, unless the owner has `most` of them. The owner's row is locked against deletion
/// until the task is there, so that an owner who is deleted at the same moment is either gone
/// before or takes the task along.
///
/// # Errors
/// [`Error::Unauthenticated`] when the owner is gone, [`Error::TooManyTasks`], and what is wrong
/// with a key that was sent with another task before.
pub async fn create(db: &Db, owner: Owner, task: &NewTask, key: Option<&IdempotencyKey>, most: i64) -> Result<Created> {
    match key {
        Some(key) => create_once(db, owner, task, key, most).await,
        None => create_another(db, owner, task, most).await,
    }
}

async fn create_another(db: &Db, owner: Owner, task: &NewTask, most: i64) -> Result<Created> {
    let sql = format!(
        r#"
        WITH owner AS (
            SELECT id FROM "user" WHERE id = $1 FOR KEY SHARE
        ), created AS (
            INSERT INTO task (user_id, title, description)
            SELECT owner.id, $2, $3
            FROM owner
            WHERE {HAS_ROOM}
            RETURNING {COLUMNS}
        )
        SELECT created.*
        FROM owner
        LEFT JOIN created ON TRUE
        "#,
    );
    let (title, description) = (task.title.as_str(), task.description.value().map(Text::as_str));
    let parameters: [Parameter; 3] = [(&title, Type::TEXT), (&description, Type::TEXT), (&most, Type::INT8)];
    let rows = db.query(owner, Repeat::Never, &sql, &parameters).await?;
    let row = rows.first().ok_or_else(users::gone)?;
    row.get::<_, Option<i64>>(0).ok_or(Error::TooManyTasks(most))?;
    Ok(Created { task: from_row(row), is_replay: false })
}

/// Whether the owner has room for a task more: there is none at the place of the last of `$4`. As
/// many creates as run at the same moment may go beyond it.
const HAS_ROOM: &str = "NOT EXISTS (SELECT FROM task WHERE user_id = $1 OFFSET $4 - 1)";

/// The key is claimed by the first to insert it; whoever comes second at the same moment waits for
/// the first and then meets its row. A claim is told by the task's id, which nobody else draws.
async fn create_once(db: &Db, owner: Owner, task: &NewTask, key: &IdempotencyKey, most: i64) -> Result<Created> {
    let sql = format!(
        r#"
        WITH owner AS (
            SELECT id FROM "user" WHERE id = $1 FOR KEY SHARE
        ), fresh AS MATERIALIZED (
            SELECT
                owner.id AS user_id,
                nextval('task_id_seq') AS task_id,
                sha256(convert_to(jsonb_build_array($2, $3)::TEXT, 'UTF8')) AS fingerprint
            FROM owner
            WHERE {HAS_ROOM}
               OR EXISTS (SELECT FROM idempotency_key WHERE user_id = $1 AND key = $5)
        ), expired AS (
            DELETE FROM idempotency_key
            WHERE (user_id, key) IN (
                SELECT user_id, key
                FROM idempotency_key
                WHERE user_id = $1
                  AND created_at < CURRENT_TIMESTAMP - INTERVAL '24 hours'
                  AND key <> $5
                LIMIT {MOST_EXPIRED}
                FOR UPDATE SKIP LOCKED
            )
        ), kept AS (
            INSERT INTO idempotency_key AS kept (user_id, key, fingerprint, task_id)
            SELECT user_id, $5, fingerprint, task_id FROM fresh
            ON CONFLICT (user_id, key) DO UPDATE SET key = kept.key
            RETURNING task_id, fingerprint, created_at
        ), created AS (
            INSERT INTO task (id, user_id, title, description, created_at, updated_at)
            SELECT fresh.task_id, fresh.user_id, $2, $3, kept.created_at, kept.created_at
            FROM kept
            JOIN fresh ON fresh.task_id = kept.task_id
        )
        SELECT
            kept.task_id, $2, $3, FALSE, owner.id, kept.created_at, kept.created_at,
            kept.task_id <> fresh.task_id AS is_replay,
            kept.fingerprint = fresh.fingerprint AS is_same
        FROM owner
        LEFT JOIN (kept CROSS JOIN fresh) ON TRUE
        "#,
    );
    let (title, description) = (task.title.as_str(), task.description.value().map(Text::as_str));
    let key_text = key.as_str();
    let parameters: [Parameter; 4] =
        [(&title, Type::TEXT), (&description, Type::TEXT), (&most, Type::INT8), (&key_text, Type::TEXT)];
    let rows = db.query(owner, Repeat::Safe, &sql, &parameters).await?;
    let row = rows.first().ok_or_else(users::gone)?;
    row.get::<_, Option<i64>>(0).ok_or(Error::TooManyTasks(most))?;
    if !row.get::<_, bool>(8) {
        return Err(key.of_another_request());
    }
    Ok(Created { task: from_row(row), is_replay: row.get(7) })
}
