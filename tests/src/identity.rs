//! Who the users are: the kinds of ids, and where users are.

use serde_json::{Value, json};
use shared::auth::{UserId, UserIds};

use crate::{Request, postgres::Database, token};

/// Where users are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Users {
    /// In Better Auth's `"user"`, as `up` makes it.
    BetterAuth,
    /// In a table of the application's own, with fewer columns.
    Another,
    /// In none of this database.
    None,
}

/// A kind of deployment. Tests call users by numbers; an identity has the ids that those stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The kind of ids.
    pub ids: UserIds,
    /// Where users are.
    pub users: Users,
}

impl Identity {
    /// What a deployment is unless it says otherwise.
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

    /// Each kind of ids and each kind of users table once, for what takes long.
    pub const EACH: [Self; 3] = [
        Self::DEFAULT,
        Self { ids: UserIds::Text, users: Users::Another },
        Self { ids: UserIds::Uuid, users: Users::None },
    ];

    /// The id that a number stands for. Texts have what paths, JSON and SQL need encoded.
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

    /// A user's token, good for an hour.
    #[must_use]
    pub fn token(&self, user: i32) -> String {
        token::with(&json!({ "sub": self.id(user), "exp": token::now() + 3600 }))
    }

    /// A request of a user's to their own tasks, with what follows in the path.
    #[must_use]
    pub fn request(&self, method: &str, user: i32, path: &str) -> Request {
        Request::new(method, &format!("/api/{}/tasks{path}", self.in_path(user))).bearer(&self.token(user))
    }

    /// The variables that configure it.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &'static str); 2] {
        let users = match self.users {
            Users::BetterAuth => "user",
            Users::Another => "accounts.People",
            Users::None => "none",
        };
        [("USER_IDS", self.ids.name()), ("USERS_TABLE", users)]
    }

    /// The name of the users table in SQL.
    #[must_use]
    pub fn table(&self) -> Option<&'static str> {
        match self.users {
            Users::BetterAuth => Some("public.\"user\""),
            Users::Another => Some("accounts.\"People\""),
            Users::None => None,
        }
    }

    /// Makes the application's own table, where there is one, for a role that migrates.
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
