//! The kinds of users: their ids, and the table that they are in.

use serde_json::{Value, json};
use shared::auth::{UserId, UserIds};

use crate::{Request, postgres::Database, token};

/// The table with the users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Users {
    /// Better Auth's `"user"`, which `up` creates.
    BetterAuth,
    /// A table of the application, with fewer columns.
    Another,
    /// No table in this database.
    None,
}

/// The kind of users that a deployment has. Tests name users by numbers. An identity turns a number into an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The kind of ids.
    pub ids: UserIds,
    /// The table with the users.
    pub users: Users,
}

impl Identity {
    /// The default of a deployment.
    pub const DEFAULT: Self = Self { ids: UserIds::Integer, users: Users::BetterAuth };

    /// Each kind of ids with each kind of users table.
    pub const ALL: [Self; 9] = {
        const fn with(ids: UserIds) -> [Identity; 3] {
            [
                Identity { ids, users: Users::BetterAuth },
                Identity { ids, users: Users::Another },
                Identity { ids, users: Users::None },
            ]
        }
        let [a, b, c] = with(UserIds::Integer);
        let [d, e, f] = with(UserIds::Text);
        let [g, h, i] = with(UserIds::Uuid);
        [a, b, c, d, e, f, g, h, i]
    };

    /// Each kind of ids and each kind of users table once, for tests that take long.
    pub const EACH: [Self; 3] = [
        Self::DEFAULT,
        Self { ids: UserIds::Text, users: Users::Another },
        Self { ids: UserIds::Uuid, users: Users::None },
    ];

    /// The id for a number. A text id has characters that paths, JSON and SQL must encode.
    #[must_use]
    pub fn id(&self, user: i32) -> String {
        match self.ids {
            UserIds::Integer => user.to_string(),
            UserIds::Text => format!("Ünü'ser {user} \"x\"?"),
            UserIds::Uuid => format!("0190163d-8694-739b-aea5-{user:012x}"),
        }
    }

    /// The id as a segment of a path.
    #[must_use]
    pub fn in_path(&self, user: i32) -> String {
        let id = UserId::parse(self.ids, &self.id(user)).expect("an id");
        id.in_path().to_string()
    }

    /// The id in JSON.
    #[must_use]
    pub fn json(&self, user: i32) -> Value {
        if self.ids == UserIds::Integer { json!(user) } else { json!(self.id(user)) }
    }

    /// The id in SQL.
    #[must_use]
    pub fn sql(&self, user: i32) -> String {
        format!("'{}'::{}", self.id(user).replace('\'', "''"), self.ids.sql_type())
    }

    /// A user's token, valid for an hour.
    #[must_use]
    pub fn token(&self, user: i32) -> String {
        token::with(&json!({ "sub": self.id(user), "exp": token::now() + 3600 }))
    }

    /// A user's request for their own tasks. `path` follows `/tasks`.
    #[must_use]
    pub fn request(&self, method: &str, user: i32, path: &str) -> Request {
        Request::new(method, &format!("/api/{}/tasks{path}", self.in_path(user))).bearer(&self.token(user))
    }

    /// The variables that configure this identity.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &'static str); 2] {
        let users = match self.users {
            Users::BetterAuth => "user",
            Users::Another => "accounts.People",
            Users::None => "none",
        };
        [("USER_IDS", self.ids.name()), ("USERS_TABLE", users)]
    }

    /// The name of the users table in SQL, if there is one.
    #[must_use]
    pub fn table(&self) -> Option<&'static str> {
        match self.users {
            Users::BetterAuth => Some("public.\"user\""),
            Users::Another => Some("accounts.\"People\""),
            Users::None => None,
        }
    }

    /// Creates the application's table, if the identity has one. It belongs to the role that migrates.
    pub async fn prepare(&self, database: &Database, owner: &str) {
        if self.users == Users::Another {
            let kind = self.ids.sql_type();
            let sql = format!(
                "CREATE SCHEMA accounts AUTHORIZATION {owner};
                 CREATE TABLE accounts.\"People\" (
                     id {kind} PRIMARY KEY, name VARCHAR(50) NOT NULL, email TEXT UNIQUE, password_hash TEXT
                 );
                 ALTER TABLE accounts.\"People\" OWNER TO {owner}"
            );
            database.execute(&sql).await;
        }
    }
}
