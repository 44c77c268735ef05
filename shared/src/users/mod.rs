//! Users, in Better Auth's table or in another.

use chrono::{DateTime, Utc};
#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio_postgres::types::Type;

use crate::{
    Error, Result, Text,
    auth::{Owner, UserId},
    db::{Answer, Db, DbError, Fields, Outcome, Parameter, Retry, call},
    http::{Problem, body},
    timestamp,
};

/// A display name: 1 to 100 characters.
pub type Name = Text<1, 100>;
/// The address of a picture: up to 2048 characters, of any kind.
pub type Image = Text<0, 2048>;

/// A user.
// In Better Auth's table only `image` may be null. In another table, a field without a column is `None`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct User {
    id: UserId,
    #[cfg_attr(feature = "openapi", schemars(with = "String", example = &"Alice"))]
    name: Option<String>,
    #[cfg_attr(feature = "openapi", schemars(with = "String", example = &"alice@example.com"))]
    email: Option<String>,
    #[cfg_attr(feature = "openapi", schemars(example = &"https://example.com/alice.png"))]
    image: Option<String>,
    #[cfg_attr(feature = "openapi", schemars(with = "bool"))]
    email_verified: Option<bool>,
    #[serde(serialize_with = "timestamp::serialize_optional")]
    #[cfg_attr(feature = "openapi", schemars(with = "DateTime<Utc>", example = timestamp::EXAMPLE))]
    created_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::serialize_optional")]
    #[cfg_attr(feature = "openapi", schemars(with = "DateTime<Utc>", example = timestamp::EXAMPLE))]
    updated_at: Option<DateTime<Utc>>,
}

body! {
    /// What PATCH may change; what is not sent stays as it is.
    pub struct UserChanges: read {
        optional name: Name = "Alice B.",
        nullable image: Image = "https://example.com/alice.png",
    }
}

/// Returns the owner.
///
/// # Errors
/// [`Error::Unauthenticated`] when the user was deleted.
pub async fn get(db: &Db, owner: &Owner) -> Result<User> {
    let answer = db.read_one(owner, call!("get_me($1)"), &[]).await?;
    answer.outcome()?.done()?;
    Ok(user(owner, &answer)?)
}

/// Changes the owner and returns the result.
///
/// # Errors
/// As [`get`], and [`Error::Invalid`] when the users table has no column for a change, or refuses the new value.
pub async fn update(db: &Db, owner: &Owner, changes: &UserChanges) -> Result<User> {
    let parameters: [Parameter; 3] =
        [(&changes.name, Type::TEXT), (&changes.image.is_sent(), Type::BOOL), (&changes.image, Type::TEXT)];
    let call = call!("update_me($1, $2, $3, $4, $5, $6)");
    let unfit = |rule| Error::Invalid(vec![Problem::value(json!(["body"]), rule, json!(null))]);
    let answer = match db.write(owner, Retry::IfConnectionLost, call, &parameters).await {
        Err(error) if error.is_rejected_value() => return Err(unfit("the users table does not take this")),
        result => result?,
    };
    match answer.outcome()? {
        Outcome::NoColumn => Err(unfit("the users table has no column for this")),
        outcome => {
            outcome.done()?;
            Ok(user(owner, &answer)?)
        }
    }
}

/// Deletes the owner. Foreign keys delete their tasks, sessions and accounts.
///
/// # Errors
/// As [`get`], and [`Error::UserInUse`] when rows of another table refer to the user and are not deleted with it.
pub async fn delete(db: &Db, owner: &Owner) -> Result<()> {
    let answer = match db.write(owner, Retry::Never, call!("delete_me($1, $2, $3)"), &[]).await {
        Err(error) if error.is_rejected_value() => return Err(Error::UserInUse),
        result => result?,
    };
    Ok(answer.outcome()?.done()?)
}

/// Checks that the owner exists.
///
/// # Errors
/// As [`get`].
pub async fn require(db: &Db, owner: &Owner) -> Result<()> {
    let answer = db.read_one(owner, call!("require_user($1)"), &[]).await?;
    Ok(answer.outcome()?.done()?)
}

/// The user in an answer, after `outcome` and `clock`.
fn user(owner: &Owner, answer: &Answer) -> Result<User, DbError> {
    Ok(User {
        id: owner.id().clone(),
        name: answer.field(2)?,
        email: answer.field(3)?,
        image: answer.field(4)?,
        email_verified: answer.field(5)?,
        created_at: answer.field(6)?,
        updated_at: answer.field(7)?,
    })
}
