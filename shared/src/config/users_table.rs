//! The users table.

use super::{ConfigError, Env};

const NAME: &str = "USERS_TABLE";

/// The maximum length of a name in Postgres, in bytes
/// ([the manual](https://www.postgresql.org/docs/current/limits.html)).
const MAX_NAME_BYTES: usize = 63;

/// The table with the users: `USERS_TABLE`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UsersTable {
    /// Better Auth's `"user"`, which `up` creates if it is missing.
    #[default]
    BetterAuth,
    /// Another table.
    Other {
        /// Its schema. Without a schema, it is the first table of that name on the search path of the migrations'
        /// user.
        schema: Option<String>,
        /// Its name, in upper or lower case as in the database.
        table: String,
    },
    /// There is no users table in this database: every user that a token names counts as existing.
    None,
}

impl UsersTable {
    /// Whether the table is Better Auth's, so that every column exists and has a value.
    #[must_use]
    pub fn is_better_auths(&self) -> bool {
        *self == Self::BetterAuth
    }
}

impl Env {
    /// `USERS_TABLE`: `user`, the name of another table, with or without its schema, or `none`.
    ///
    /// # Errors
    /// When it is not a name that a table can have.
    pub fn users_table(&self) -> Result<UsersTable, ConfigError> {
        let (schema, table) = match self.text(NAME)? {
            None | Some("user") => return Ok(UsersTable::BetterAuth),
            Some("none") => return Ok(UsersTable::None),
            Some(text) => text.split_once('.').map_or((None, text), |(schema, table)| (Some(schema), table)),
        };
        let is_name = |name: &str| {
            let is_part = |char: char| char.is_alphanumeric() || "_$-".contains(char);
            // `$$` would end the text of a SQL function.
            !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.chars().all(is_part) && !name.contains("$$")
        };
        if !is_name(table) || !schema.is_none_or(is_name) {
            let problem = "must be the name of a table, such as users or auth.users, as the database has it, or `none`";
            return Err(ConfigError::new(NAME, problem));
        }
        Ok(UsersTable::Other { schema: schema.map(str::to_owned), table: table.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{env, problem};

    #[test]
    fn a_table_may_have_a_schema() {
        let table = |text: &str| env(&[(NAME, text)]).users_table();
        let other = |schema: Option<&str>, table: &str| {
            Ok(UsersTable::Other { schema: schema.map(str::to_owned), table: table.to_owned() })
        };
        assert_eq!(table(""), Ok(UsersTable::BetterAuth));
        assert_eq!(table("user"), Ok(UsersTable::BetterAuth));
        assert_eq!(table("none"), Ok(UsersTable::None));
        assert_eq!(table("users"), other(None, "users"));
        assert_eq!(table("User"), other(None, "User"));
        assert_eq!(table("auth.users"), other(Some("auth"), "users"));
        for wrong in [".", "auth.", ".users", "a.b.c", "\"user\"", "users; DROP", "a$$b", "users\n", &"x".repeat(64)] {
            assert!(problem(table(wrong)).starts_with("USERS_TABLE: "), "{wrong:?}");
        }
    }
}
