//! The functions of this release: their SQL, as `up` puts it into the database.
//!
//! SQL is deployed like code. The functions of a release are in a schema of their own, named by their
//! text, so that those of the release before go on calling theirs while the new ones take over, and a
//! release that is rolled back finds its own again.

/// The schema of this release's functions: `task_api_` and the start of the SHA-256 of their text, which
/// `build.rs` works out of all `.sql` files of this crate.
pub const RELEASE_SCHEMA: &str = env!("RELEASE_SCHEMA");

/// The most idempotency keys of a user that count, the newest.
pub const MAX_IDEMPOTENCY_KEYS: u32 = 1000;

/// Functions that belong to the migrations' user, and that the role may execute: the only ways to the users
/// table and to what policies hide.
const ACCESS: [&str; 1] = [include_str!("../users/access.sql")];

/// Functions that belong to the role and run as it. First those that others call.
const OPERATIONS: [&str; 12] = [
    include_str!("../tasks/create_rare.sql"),
    include_str!("../tasks/get.sql"),
    include_str!("../tasks/list.sql"),
    include_str!("../tasks/create.sql"),
    include_str!("../tasks/update.sql"),
    include_str!("../tasks/complete.sql"),
    include_str!("../tasks/delete.sql"),
    include_str!("../users/get.sql"),
    include_str!("../users/update.sql"),
    include_str!("../users/delete.sql"),
    include_str!("../users/require.sql"),
    include_str!("health.sql"),
];

/// One function of each order of a list, so that the plan of each is kept.
const LIST_BY: &str = include_str!("../tasks/list_by.sql");
const COLUMNS: [&str; 4] = ["id", "created_at", "updated_at", "title"];

/// What a function runs with. `pg_temp` comes last, or else temporary tables of the caller's would come first.
const SEARCH_PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// The same for lists: left to itself, the planner would go on planning them for each caller, as it takes a list
/// for cheaper whose length it knows. Of a single row it keeps the plan by itself.
const SETTINGS: &str = "SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan";

/// What every write begins and ends with.
const BEGIN_WRITE: &str = include_str!("begin_write.sql");
const END_WRITE: &str = include_str!("end_write.sql");

/// The functions in [`ACCESS`].
const ACCESS_NAMES: &str = "'user_exists', 'user_lock', 'user_get', 'user_update', 'user_delete', 'missing_reason'";

/// What tells whether somebody changed what `up` made.
const FINGERPRINT: &str = include_str!("fingerprint.sql");
const TABLES_FINGERPRINT: &str = include_str!("tables_fingerprint.sql");

/// What `up` fills the texts in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The role that the functions belong to.
    pub role: String,
    /// The role that routes log in as, quoted, or `CURRENT_USER`.
    pub login: String,
    /// The users table, qualified and quoted.
    pub users: String,
    /// Its columns, quoted.
    pub columns: UserColumns,
}

/// The columns of the users table, quoted: Better Auth spells them in camel case, and some adapters of it
/// in snake case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserColumns {
    /// Whether the address was verified.
    pub email_verified: String,
    /// When the user was made.
    pub created_at: String,
    /// When the user was changed.
    pub updated_at: String,
}

/// Makes Better Auth's users table.
pub const USERS_TABLE: &str = include_str!("better_auth_user.sql");

/// What `up` runs, filled in.
impl Names {
    /// Makes the role that the functions belong to, unless it is there.
    #[must_use]
    pub fn make_role(&self) -> String {
        self.fill(include_str!("role.sql"))
    }

    /// Makes what guards the tables: the foreign key to the users table, row-level security, and what the
    /// role may do.
    #[must_use]
    pub fn guard_tables(&self) -> String {
        let parts =
            [include_str!("users_table.sql"), include_str!("policies.sql"), include_str!("table_privileges.sql")];
        parts.map(|text| self.fill(text)).join("\n")
    }

    /// Makes the functions, in a schema that is there and empty, and says who owns them and may call them.
    #[must_use]
    pub fn make_functions(&self) -> String {
        let mut sql = ACCESS.iter().chain(&OPERATIONS).map(|text| self.fill(text)).collect::<Vec<_>>().join("\n");
        for column in COLUMNS {
            for (direction, beyond) in [("asc", ">"), ("desc", "<")] {
                let bound = |wanted| if (column, direction) == wanted { "after_id" } else { "NULL" };
                let text = LIST_BY
                    .replace("{{column}}", column)
                    .replace("{{direction}}", direction)
                    .replace("{{beyond}}", beyond)
                    .replace("{{least_id}}", bound(("id", "asc")))
                    .replace("{{greatest_id}}", bound(("id", "desc")));
                sql.push_str(&self.fill(&text));
            }
        }
        sql + &self.fill(include_str!("privileges.sql"))
    }

    /// A query for what the functions are now.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.fill(FINGERPRINT)
    }

    /// A query for what guards the tables now.
    #[must_use]
    pub fn tables_fingerprint(&self) -> String {
        self.fill(TABLES_FINGERPRINT)
    }

    fn fill(&self, text: &str) -> String {
        let Self { role, login, users, columns } = self;
        text.replace("{{begin_write}}", BEGIN_WRITE.trim())
            .replace("{{end_write}}", END_WRITE.trim())
            .replace("{{fingerprint}}", FINGERPRINT.trim())
            .replace("{{tables_fingerprint}}", TABLES_FINGERPRINT.trim())
            .replace("{{settings}}", SETTINGS)
            .replace("{{search_path}}", SEARCH_PATH)
            .replace("{{functions}}", RELEASE_SCHEMA)
            .replace("{{access}}", ACCESS_NAMES)
            .replace("{{role}}", role)
            .replace("{{login}}", login)
            .replace("{{users}}", users)
            .replace("{{user_id}}", "INTEGER")
            .replace("{{max_keys}}", &MAX_IDEMPOTENCY_KEYS.to_string())
            .replace("{{users_email_verified}}", &columns.email_verified)
            .replace("{{users_created_at}}", &columns.created_at)
            .replace("{{users_updated_at}}", &columns.updated_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let column = || "a".to_owned();
        let names = Names {
            role: column(),
            login: column(),
            users: column(),
            columns: UserColumns { email_verified: column(), created_at: column(), updated_at: column() },
        };
        let texts = [names.make_role(), names.guard_tables(), names.make_functions(), names.fingerprint()];
        for text in texts.into_iter().chain([names.tables_fingerprint()]) {
            assert!(!text.contains("{{") && !text.is_empty(), "{text}");
        }
    }
}
