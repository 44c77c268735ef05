//! The caller of a request, and the rows that belong to the caller.
//!
//! Only a verified token yields a [`Caller`], only a caller yields an [`Owner`], and every statement on a user's
//! rows needs an owner. So a statement that would let a user read another user's rows does not compile:
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
//! A caller is not an owner yet, because the path was not checked:
//! ```compile_fail,E0308
//! # async fn _f(db: &shared::db::Db, caller: shared::auth::Caller) -> shared::Result<()> {
//! shared::users::get(db, &caller).await?;
//! # Ok(()) }
//! ```
//! An id from the path is not an owner either:
//! ```compile_fail,E0308
//! # async fn _f(db: &shared::db::Db, user_id: shared::auth::UserId) -> shared::Result<()> {
//! shared::users::get(db, &user_id).await?;
//! # Ok(()) }
//! ```
//! And no statement runs without an owner:
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

/// The user that a verified token names. The user may have been deleted since: the statement on its rows checks
/// that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(UserId);

impl Caller {
    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0
    }

    /// The owner of the rows under `/api/{user_id}/…`, or `None` if the path is another user's.
    #[must_use]
    pub fn owner_of_path(&self, user_id: &str) -> Option<Owner> {
        self.0.is_named(user_id).then(|| Owner(self.0.clone()))
    }

    /// The owner of the rows under `/api/users/me` and `/api/tasks`. These paths always mean the caller.
    #[must_use]
    pub fn owner_of_me(&self) -> Owner {
        Owner(self.0.clone())
    }
}

/// The right to a user's rows. An owner exists only when the path is that of the token's user, or names nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(UserId);

impl Owner {
    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0
    }
}
