//! Users, in Better Auth's own table.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use crate::{
    Error, Result, Text,
    auth::Owner,
    db::{Db, Parameter, Repeat},
    http::{Fields, Input, Nullable, Problems, Request},
    timestamp,
};

/// A display name: 1 to 100 characters.
pub type Name = Text<1, 100>;
/// The address of a picture: up to 2048 characters, of any kind.
pub type Image = Text<0, 2048>;

/// A user as the API shows them.
#[derive(Debug, Serialize)]
pub struct User {
    id: i32,
    name: String,
    email: String,
    image: Option<String>,
    email_verified: bool,
    #[serde(serialize_with = "timestamp::serialize")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

/// What PATCH may change; what is not sent stays as it is.
#[derive(Debug)]
pub struct UserChanges {
    name: Option<Name>,
    image: Nullable<Image>,
}

impl Input for UserChanges {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::read(request, problems)?;
        Some(Self { name: fields.optional("name"), image: fields.nullable("image") })
    }
}

/// The columns of [`User`], in the order [`from_row`] reads them.
const COLUMNS: &str = r#"id, name, email, image, "emailVerified", "createdAt", "updatedAt""#;

/// The owner.
///
/// # Errors
/// [`Error::Unauthenticated`] when the user is gone.
pub async fn get(db: &Db, owner: Owner) -> Result<User> {
    let sql = format!(r#"SELECT {COLUMNS} FROM "user" WHERE id = $1"#);
    one(&db.query(owner, Repeat::Safe, &sql, &[]).await?)
}

/// Changes the owner and answers the result.
///
/// # Errors
/// As [`get`].
pub async fn update(db: &Db, owner: Owner, changes: &UserChanges) -> Result<User> {
    let sql = format!(
        r#"
        UPDATE "user"
        SET name        = COALESCE($2, name),
            image       = CASE WHEN $3 THEN $4 ELSE image END,
            "updatedAt" = CURRENT_TIMESTAMP
        WHERE id = $1
        RETURNING {COLUMNS}
        "#
    );
    let name = changes.name.as_ref().map(Text::as_str);
    let image = changes.image.value().map(Text::as_str);
    let parameters: [Parameter; 3] =
        [(&name, Type::TEXT), (&changes.image.is_sent(), Type::BOOL), (&image, Type::TEXT)];
    one(&db.query(owner, Repeat::Safe, &sql, &parameters).await?)
}

/// Deletes the owner and, by the foreign keys, their tasks, sessions and accounts.
///
/// # Errors
/// As [`get`].
pub async fn delete(db: &Db, owner: Owner) -> Result<()> {
    let rows = db.query(owner, Repeat::Never, r#"DELETE FROM "user" WHERE id = $1 RETURNING id"#, &[]).await?;
    if rows.is_empty() { Err(gone()) } else { Ok(()) }
}

/// Whether the owner is still there.
///
/// # Errors
/// As [`get`].
pub async fn exists(db: &Db, owner: Owner) -> Result<()> {
    let rows = db.query(owner, Repeat::Safe, r#"SELECT id FROM "user" WHERE id = $1"#, &[]).await?;
    if rows.is_empty() { Err(gone()) } else { Ok(()) }
}

/// The error for a token that outlived its user.
pub(crate) fn gone() -> Error {
    Error::Unauthenticated("the user no longer exists")
}

fn one(rows: &[Row]) -> Result<User> {
    rows.first().map(from_row).ok_or_else(gone)
}

fn from_row(row: &Row) -> User {
    User {
        id: row.get(0),
        name: row.get(1),
        email: row.get(2),
        image: row.get(3),
        email_verified: row.get(4),
        created_at: row.get(5),
        updated_at: row.get(6),
    }
}
