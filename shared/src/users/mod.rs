//! Users, in Better Auth's own table.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Row, types::Type};

use crate::{
    Result, Text,
    auth::{Owner, UserId},
    db::{Db, Outcome, Parameter, Retry, call},
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
    id: UserId,
    /// Better Auth has one of everybody; another table may not.
    name: Option<String>,
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

/// The owner.
///
/// # Errors
/// [`crate::Error::Unauthenticated`] when the user is gone.
pub async fn get(db: &Db, owner: &Owner) -> Result<User> {
    let row = db.read_one(owner, call!("get_me($1)"), &[]).await?;
    Outcome::of(&row).done()?;
    Ok(from_columns(owner, &row, 1))
}

/// Changes the owner and answers the result.
///
/// # Errors
/// As [`get`].
pub async fn update(db: &Db, owner: &Owner, changes: &UserChanges) -> Result<User> {
    let name = changes.name.as_ref().map(Text::as_str);
    let image = changes.image.value().map(Text::as_str);
    let parameters: [Parameter; 3] =
        [(&name, Type::TEXT), (&changes.image.is_sent(), Type::BOOL), (&image, Type::TEXT)];
    let row = db.write(owner, Retry::IfConnectionLost, call!("update_me($1, $2, $3, $4, $5, $6)"), &parameters).await?;
    Outcome::of(&row).done()?;
    Ok(from_columns(owner, &row, 2))
}

/// Deletes the owner and, by the foreign keys, their tasks, sessions and accounts.
///
/// # Errors
/// As [`get`].
pub async fn delete(db: &Db, owner: &Owner) -> Result<()> {
    Outcome::of(&db.write(owner, Retry::Never, call!("delete_me($1, $2, $3)"), &[]).await?).done()
}

/// Whether the owner is still there.
///
/// # Errors
/// As [`get`].
pub async fn require(db: &Db, owner: &Owner) -> Result<()> {
    Outcome::of(&db.read_one(owner, call!("require_user($1)"), &[]).await?).done()
}

fn from_columns(owner: &Owner, row: &Row, first: usize) -> User {
    User {
        id: owner.id().clone(),
        name: row.get(first),
        email: row.get(first + 1),
        image: row.get(first + 2),
        email_verified: row.get(first + 3),
        created_at: row.get(first + 4),
        updated_at: row.get(first + 5),
    }
}
