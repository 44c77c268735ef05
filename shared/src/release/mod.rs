//! The SQL functions of this release, which the migrate function's action `up` creates in the database.
//!
//! SQL is deployed like code. The functions of a release are in their own schema, named by a hash of their SQL. So
//! the functions of the release before keep their SQL functions while the new ones take over, and a release that is
//! rolled back finds its own again.

use crate::{auth::UserIds, db::RELEASE_SCHEMA, tasks};

/// How many idempotency keys a user has at most. At that number, the oldest 100 are removed.
pub const MAX_IDEMPOTENCY_KEYS: u32 = 1000;

/// The functions that belong to the migrations' user and that the role may execute. They are the only ways to the
/// users table and to rows that policies hide.
const ACCESS: [&str; 2] = [include_str!("access/users.sql"), include_str!("access/missing_reason.sql")];
const ACCESS_WITHOUT_USERS: [&str; 2] =
    [include_str!("access/no_users.sql"), include_str!("access/missing_reason.sql")];

/// The functions that belong to the role and run as it: every `.sql` file in `tasks` and `users`. `build.rs` lists
/// them.
const OPERATIONS: &[&str] = include!(concat!(env!("OUT_DIR"), "/operations.rs"));

/// The types of what operations return.
const TYPES: &str = include_str!("types.sql");

/// A row of `user_answer`, from a row `u` of the users table that may not be there.
const USER_OR_NONE: &str = "CASE WHEN u.is_there THEN 'ok' ELSE 'no_user' END, NULL::TIMESTAMPTZ, \
                            u.name, u.email, u.image, u.email_verified, u.created_at, u.updated_at";

/// The function that checks whether this release can be served.
const HEALTH: &str = include_str!("health.sql");

/// The settings of a function. `pg_temp` comes last, because otherwise a caller's temporary tables would come first.
const SEARCH_PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// The settings of a list function. They force a plan that is kept, because the planner would make a new plan for
/// each caller: it estimates a list with a known length as cheaper. For operations on one task, it keeps the plan by
/// itself. The costs of that plan grow with the table, so that JIT would compile it for every list of a large one.
const SETTINGS: &str = "SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off";

/// Sets the caller. It is one of the declarations of each operation.
const SET_CALLER: &str = include_str!("set_caller.sql");

/// The beginning and the end of every write.
const BEGIN_WRITE: &str = include_str!("begin_write.sql");
const END_WRITE: &str = include_str!("end_write.sql");

/// What a search looks at in a new task. Migration 1 has the same for rows that are written directly.
const SEARCH_BYTES: &str = "convert_to(lower(new_title || chr(31) || COALESCE(new_description, '')), 'UTF8')";

/// Whether an owner `o` has no idempotency key that is older than a day.
const NO_OLD_KEYS: &str = "(o.keys_since >= CURRENT_TIMESTAMP - INTERVAL '24 hours') IS NOT FALSE";

/// The names of the functions in [`ACCESS`].
const ACCESS_NAMES: &str = "'user_exists', 'user_lock', 'user_get', 'user_update', 'user_delete', 'users_problem', \
                            'missing_reason'";

/// The queries that show whether somebody changed what `up` made.
const FINGERPRINT: &str = include_str!("fingerprint.sql");
const TABLES_FINGERPRINT: &str = include_str!("tables_fingerprint.sql");

/// The values for the placeholders `{{…}}` in the SQL files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseSql {
    /// The role that the functions belong to.
    pub role: String,
    /// The roles that routes log in as: quoted, or `CURRENT_USER`.
    pub logins: Vec<String>,
    /// The kind of ids that users have.
    pub user_ids: UserIds,
    /// The users table. `None` if there is none.
    pub users: Option<Users>,
}

/// A users table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Its name, qualified and quoted.
    pub table: String,
    /// Its column for the name, quoted.
    pub name: Option<String>,
    /// Its column for the e-mail address.
    pub email: Option<String>,
    /// Its column for the address of a picture.
    pub image: Option<String>,
    /// Its column that says whether the e-mail address was verified. True if that column is a time instead of a
    /// boolean.
    pub email_verified: Option<(String, bool)>,
    /// Its column for when the user was created.
    pub created_at: Option<String>,
    /// Its column for when the user was last changed.
    pub updated_at: Option<String>,
}

impl Users {
    /// The expressions for the columns of the row `u`.
    fn columns(&self) -> String {
        let text = |column: &Option<String>, kind: &str| match column {
            Some(column) => format!("u.{column}::{kind}"),
            None => format!("NULL::{kind}"),
        };
        let email_verified = match &self.email_verified {
            Some((column, true)) => format!("u.{column} IS NOT NULL"),
            Some((column, false)) => format!("u.{column}::BOOLEAN"),
            None => "NULL::BOOLEAN".to_owned(),
        };
        [
            text(&self.name, "TEXT"),
            text(&self.email, "TEXT"),
            text(&self.image, "TEXT"),
            email_verified,
            text(&self.created_at, "TIMESTAMPTZ"),
            text(&self.updated_at, "TIMESTAMPTZ"),
        ]
        .join(", ")
    }

    /// The SET clause for changing the row `u`.
    fn changes(&self) -> String {
        let name = self.name.as_ref().map(|column| format!("{column} = COALESCE(new_name, u.{column})"));
        let image = self.image.as_ref();
        let image = image.map(|column| format!("{column} = CASE WHEN set_image THEN new_image ELSE u.{column} END"));
        let updated_at = self.updated_at.as_ref().map(|column| format!("{column} = CURRENT_TIMESTAMP"));
        let changes: Vec<_> = [name, image, updated_at].into_iter().flatten().collect();
        // The clause must set something, even if the table has no column to change.
        if changes.is_empty() { "id = u.id".to_owned() } else { changes.join(", ") }
    }
}

/// Creates Better Auth's users table. `{{id}}` is the type of its ids.
pub const BETTER_AUTH_TABLE: &str = include_str!("better_auth_user.sql");

/// The SQL that `up` runs, with the placeholders filled in.
impl ReleaseSql {
    /// Creates the role that the functions belong to, if it is missing.
    #[must_use]
    pub fn make_role(&self) -> String {
        self.fill(include_str!("role.sql"))
    }

    /// Makes the migrations' user a member of this role. No login may stay a member.
    #[must_use]
    pub fn join_role(&self) -> String {
        self.fill(include_str!("join_role.sql"))
    }

    /// Creates the protection of the tables: the foreign key to the users table, row-level security, and the role's
    /// privileges.
    #[must_use]
    pub fn guard_tables(&self) -> String {
        let mut parts = vec![include_str!("no_users_table.sql")];
        if self.users.is_some() {
            parts.push(include_str!("users_table.sql"));
        }
        parts.extend([include_str!("policies.sql"), include_str!("table_privileges.sql")]);
        parts.into_iter().map(|text| self.fill(text)).collect::<Vec<_>>().join("\n")
    }

    /// Creates the types and functions in a schema that exists and is empty, and sets their owners and who may call them.
    #[must_use]
    pub fn make_functions(&self) -> String {
        let access = if self.users.is_some() { &ACCESS } else { &ACCESS_WITHOUT_USERS };
        let mut sql: String = [&TYPES].into_iter().chain(access).chain([&HEALTH]).map(|text| self.fill(text)).collect();
        for text in OPERATIONS {
            for text in tasks::one_per_sort(text) {
                sql.push_str(&self.fill(&text));
            }
        }
        sql + &self.let_logins_call()
    }

    /// Sets the owners of the functions, and lets the logins call them. Other logins keep the right to call them.
    #[must_use]
    pub fn let_logins_call(&self) -> String {
        self.fill(include_str!("privileges.sql"))
    }

    /// A query for the fingerprint of the functions as they are now.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.fill(FINGERPRINT)
    }

    /// A query for the fingerprint of the tables' protection as it is now.
    #[must_use]
    pub fn tables_fingerprint(&self) -> String {
        // As in `health.sql`, where its text is compared.
        self.fill(TABLES_FINGERPRINT.trim())
    }

    fn fill(&self, text: &str) -> String {
        let Self { role, logins, user_ids, users } = self;
        let quoted_logins: Vec<_> = logins.iter().map(|login| format!("'{}'", login.replace('\'', "''"))).collect();
        let is = |is: bool| if is { "TRUE" } else { "FALSE" };
        let users = users.as_ref();
        let task = |form: fn(&str, &str) -> String| {
            let columns: Vec<_> = tasks::COLUMNS.iter().map(|(name, kind)| form(name, kind)).collect();
            columns.join(", ")
        };
        text.replace("{{task_types}}", &task(|name, kind| format!("{name} {kind}")))
            .replace("{{user_or_none}}", USER_OR_NONE)
            .replace("{{found_task}}", &format!("'ok', NULL::TIMESTAMPTZ, {}", task(|name, _| format!("t.{name}"))))
            .replace("{{set_caller}}", SET_CALLER.trim())
            .replace("{{begin_write}}", BEGIN_WRITE.trim())
            .replace("{{end_write}}", END_WRITE.trim())
            .replace("{{search_bytes}}", SEARCH_BYTES)
            .replace("{{no_old_keys}}", NO_OLD_KEYS)
            .replace("{{fingerprint}}", FINGERPRINT.trim())
            .replace("{{tables_fingerprint}}", TABLES_FINGERPRINT.trim())
            .replace("{{settings}}", SETTINGS)
            .replace("{{search_path}}", SEARCH_PATH)
            .replace("{{functions}}", RELEASE_SCHEMA)
            .replace("{{access}}", ACCESS_NAMES)
            .replace("{{role}}", role)
            .replace("{{logins}}", &logins.join(", "))
            .replace("{{quoted_logins}}", &quoted_logins.join(", "))
            .replace("{{user_id}}", user_ids.sql_type())
            .replace("{{max_keys}}", &MAX_IDEMPOTENCY_KEYS.to_string())
            .replace("{{users}}", users.map_or("", |users| &users.table))
            .replace("{{users_columns}}", &users.map(Users::columns).unwrap_or_default())
            .replace("{{users_changes}}", &users.map(Users::changes).unwrap_or_default())
            .replace("{{users_have_name}}", is(users.is_some_and(|users| users.name.is_some())))
            .replace("{{users_have_image}}", is(users.is_some_and(|users| users.image.is_some())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let column = || "a".to_owned();
        let users = Users {
            table: column(),
            name: Some(column()),
            email: None,
            image: None,
            email_verified: None,
            created_at: None,
            updated_at: None,
        };
        for users in [Some(users), None] {
            let names = ReleaseSql { role: column(), logins: vec![column()], user_ids: UserIds::Text, users };
            let texts = [
                names.make_role(),
                names.join_role(),
                names.guard_tables(),
                names.make_functions(),
                names.fingerprint(),
            ];
            for text in texts.into_iter().chain([names.tables_fingerprint()]) {
                assert!(!text.contains("{{") && !text.is_empty(), "{text}");
            }
        }
    }
}
