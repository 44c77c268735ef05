//! Who is calling, and what is theirs.
//!
//! A [`Caller`] comes only out of a verified token, an [`Owner`] only out of a caller, and every
//! statement on a user's rows needs an owner. So a statement that anyone could run on anyone's
//! rows does not compile:
//!
//! ```
//! # async fn _f(db: &shared::db::Db, caller: shared::auth::Caller) -> shared::Result<()> {
//! let owner = caller.owner_of_path("101").ok_or(shared::Error::Forbidden)?;
//! shared::users::get(db, &owner).await?;
//! # Ok(()) }
//! ```
//!
//! An owner cannot be made up:
//! ```compile_fail,E0423
//! # async fn _f(db: &shared::db::Db) -> shared::Result<()> {
//! let owner = shared::auth::Owner(shared::auth::UserId::Integer(101));
//! shared::users::get(db, &owner).await?;
//! # Ok(()) }
//! ```
//! A caller is not one yet, as nobody has looked at the path:
//! ```compile_fail,E0308
//! # async fn _f(db: &shared::db::Db, caller: shared::auth::Caller) -> shared::Result<()> {
//! shared::users::get(db, &caller).await?;
//! # Ok(()) }
//! ```
//! Nor is an id from the path:
//! ```compile_fail,E0308
//! # async fn _f(db: &shared::db::Db, user_id: shared::auth::UserId) -> shared::Result<()> {
//! shared::users::get(db, &user_id).await?;
//! # Ok(()) }
//! ```
//! And no statement runs beside the owner:
//! ```compile_fail,E0061
//! # async fn _f(db: &shared::db::Db) -> shared::Result<()> {
//! db.read("SELECT * FROM task_api.task", &[]).await?;
//! # Ok(()) }
//! ```

mod claims;
mod encoding;
mod jwks;
mod key_server;
mod keys;
mod token;
#[cfg(test)]
mod vectors;

pub use token::{TokenError, Verifier};

pub use crate::user_id::{InPath, UserId, UserIds};

/// The user whom a verified token names. Whether that user still exists, the statement finds out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(UserId);

impl Caller {
    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0
    }

    /// The owner of the rows under `/api/{user_id}/…`; `None` when the path is another user's.
    #[must_use]
    pub fn owner_of_path(&self, user_id: &str) -> Option<Owner> {
        self.0.is_named(user_id).then(|| Owner(self.0.clone()))
    }

    /// The owner of the rows under `/api/users/me`, a path that is the caller's by definition.
    #[must_use]
    pub fn owner_of_me(&self) -> Owner {
        Owner(self.0.clone())
    }
}

/// The right to a user's rows: the token and the path agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(UserId);

impl Owner {
    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0
    }
}
