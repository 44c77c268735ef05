//! Who is calling, and what is theirs.
//!
//! A [`Caller`] comes only out of a verified token, an [`Owner`] only out of a caller, and every
//! statement on a user's rows needs an owner. So a statement that anyone could run on anyone's
//! rows does not compile:
//!
//! ```
//! # async fn _f(db: &shared::db::Db, caller: shared::auth::Caller) -> shared::Result<()> {
//! let owner = caller.of_path(101)?;
//! shared::users::get(db, owner).await?;
//! # Ok(()) }
//! ```
//!
//! An owner cannot be made up:
//! ```compile_fail,E0423
//! # async fn _f(db: &shared::db::Db) -> shared::Result<()> {
//! let owner = shared::auth::Owner(101);
//! shared::users::get(db, owner).await?;
//! # Ok(()) }
//! ```
//! A caller is not one yet, as nobody has looked at the path:
//! ```compile_fail,E0308
//! # async fn _f(db: &shared::db::Db, caller: shared::auth::Caller) -> shared::Result<()> {
//! shared::users::get(db, caller).await?;
//! # Ok(()) }
//! ```
//! Nor is a number from the path:
//! ```compile_fail,E0308
//! # async fn _f(db: &shared::db::Db, user_id: i32) -> shared::Result<()> {
//! shared::users::get(db, user_id).await?;
//! # Ok(()) }
//! ```
//! And no statement runs beside the owner:
//! ```compile_fail,E0061
//! # async fn _f(db: &shared::db::Db) -> shared::Result<()> {
//! db.read("SELECT * FROM task_api.task", &[]).await?;
//! # Ok(()) }
//! ```

mod jwks;
mod keys;
mod token;
#[cfg(test)]
mod vectors;

pub use token::Verifier;

use crate::{Error, Result};

/// The user whom a verified token names. Whether that user still exists, the statement finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(i32);

impl Caller {
    /// Parses `sub`, which must be spelled as Better Auth spells an id it made: the digits of a
    /// positive Postgres `integer`, nothing else.
    fn from_subject(subject: &str) -> Option<Self> {
        let id: i32 = subject.parse().ok()?;
        (id > 0 && id.to_string() == subject).then_some(Self(id))
    }

    /// The user's id.
    #[must_use]
    pub fn id(self) -> i32 {
        self.0
    }

    /// The owner of the rows under `/api/{user_id}/…`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the path is another user's.
    pub fn of_path(self, user_id: i128) -> Result<Owner> {
        if i128::from(self.0) == user_id { Ok(Owner(self.0)) } else { Err(Error::Forbidden) }
    }

    /// The owner of the rows under `/api/users/me`, a path that is the caller's by definition.
    #[must_use]
    pub fn of_me(self) -> Owner {
        Owner(self.0)
    }
}

/// The right to a user's rows: the token and the path agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(i32);

impl Owner {
    /// The user's id.
    #[must_use]
    pub fn id(self) -> i32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_is_a_canonical_positive_integer() {
        assert_eq!(Caller::from_subject("101"), Some(Caller(101)));
        assert_eq!(Caller::from_subject("2147483647"), Some(Caller(i32::MAX)));
        for wrong in ["", "0", "-1", "+1", "01", "1.0", " 1", "1_0", "１", "alice", "2147483648"] {
            assert_eq!(Caller::from_subject(wrong), None, "{wrong:?}");
        }
    }
}
