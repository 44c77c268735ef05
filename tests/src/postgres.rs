//! Databases for tests, on the server that `TEST_DATABASE_URL` names.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::OnceCell;
use tokio_postgres::{Client, Config, NoTls};

use shared::db::RELEASE_SCHEMA;

use crate::{
    identity::{Identity, Users},
    pgbouncer::PASSWORD,
};

/// The search path of the tests' own statements.
const SEARCH_PATH: &str = "-c search_path=public,task_api";

/// A database for one test. It is not removed by itself: the whole server is thrown away after the tests.
pub struct Database {
    name: String,
    /// The kind of users that it has.
    pub identity: Identity,
    /// A connection to the database.
    pub client: Client,
}

impl Database {
    /// A new, empty database.
    pub async fn empty() -> Self {
        Self::from_template("template0", Identity::DEFAULT).await
    }

    /// A new database with the schema, as the migrate function creates it.
    pub async fn migrated() -> Self {
        Self::migrated_for(Identity::DEFAULT).await
    }

    /// As [`Database::migrated`], for this kind of users.
    pub async fn migrated_for(identity: Identity) -> Self {
        static TEMPLATES: [OnceCell<String>; Identity::ALL.len()] =
            [const { OnceCell::const_new() }; Identity::ALL.len()];
        let place = Identity::ALL.iter().position(|known| *known == identity).expect("an identity");
        let template = TEMPLATES[place]
            .get_or_init(async || {
                let database = Self::empty().await;
                identity.prepare(&database, "CURRENT_USER").await;
                crate::migrate(&database.url(), &identity.variables()).await.expect("the migrations");
                database.name
            })
            .await;
        Self::from_template(template, identity).await
    }

    async fn from_template(template: &str, identity: Identity) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // One copy at a time: nobody else may use a template during a copy, and another copy would.
        static COPYING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&server()).await;
        let copying = COPYING.lock().await;
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
            .await
            .expect("a new database");
        drop(copying);
        let mut config = server();
        config.dbname(&name);
        Self { client: connect(&config).await, identity, name }
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the database to a new role with the same name. The role may log in and create roles but is not a
    /// superuser, like the owner of a database at Neon.
    pub async fn give_away(&self) {
        let (name, password) = (&self.name, PASSWORD);
        self.execute(&format!(
            "CREATE ROLE {name} LOGIN CREATEROLE PASSWORD '{password}';
            ALTER DATABASE {name} OWNER TO {name};
            ALTER SCHEMA public OWNER TO {name};"
        ))
        .await;
    }

    /// The URL of the database for functions.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(port())
    }

    /// The URL through a proxy that listens on `port`.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        let user = server().get_user().unwrap_or("postgres").to_owned();
        format!("postgres://{user}@127.0.0.1:{port}/{}?sslmode=disable", self.name)
    }

    /// As [`Database::url_at`], for the role that owns the database.
    #[must_use]
    pub fn url_of_owner_at(&self, port: u16) -> String {
        let name = &self.name;
        format!("postgres://{name}:{PASSWORD}@127.0.0.1:{port}/{name}?sslmode=disable")
    }

    /// Another connection, for when the first connection may be lost.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn connect_again(&self) -> Result<Client, tokio_postgres::Error> {
        let mut config = server();
        config.dbname(&self.name).options(SEARCH_PATH);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs SQL, without a result.
    pub async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The first column of the first row.
    pub async fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        self.client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// The role that the functions of the release belong to.
    pub async fn functions_role(&self) -> String {
        let sql = format!(
            "SELECT proowner::REGROLE::TEXT FROM pg_proc
             WHERE proname = 'get_task' AND pronamespace = '{RELEASE_SCHEMA}'::REGNAMESPACE"
        );
        self.value(&sql).await
    }

    /// Replaces the list by a function that returns a column of another type, so that reading a row panics. Users
    /// without tasks do not notice.
    pub async fn break_list(&self) {
        self.execute(&format!(
            "ALTER FUNCTION {RELEASE_SCHEMA}.list_tasks RENAME TO list_tasks_mended;
             CREATE FUNCTION {RELEASE_SCHEMA}.list_tasks(INTEGER, BIGINT, INTEGER)
             RETURNS TABLE (outcome TEXT, clock TIMESTAMPTZ, id TEXT) LANGUAGE sql
             AS $$ SELECT 'ok', NULL::TIMESTAMPTZ, 'x' FROM task_api.task WHERE user_id = $1 $$"
        ))
        .await;
    }

    /// Undoes [`Database::break_list`].
    pub async fn mend_list(&self) {
        self.execute(&format!(
            "DROP FUNCTION {RELEASE_SCHEMA}.list_tasks;
             ALTER FUNCTION {RELEASE_SCHEMA}.list_tasks_mended RENAME TO list_tasks"
        ))
        .await;
    }

    /// Waits until a statement in this database waits for a lock.
    pub async fn wait_for_blocked(&self) {
        self.wait_for_all_blocked(1).await;
    }

    /// Waits until so many statements in this database wait for locks.
    pub async fn wait_for_all_blocked(&self, count: i64) {
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..2000 {
            // Within a transaction, the view would not change.
            self.execute("SELECT pg_stat_clear_snapshot()").await;
            if self.value::<i64>(sql).await >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{count} statements do not wait for locks");
    }

    /// Adds users with these ids.
    pub async fn users(&self, ids: &[i32]) {
        self.users_over(&self.client, ids).await;
    }

    /// As [`Database::users`], over another connection.
    pub async fn users_over(&self, client: &Client, ids: &[i32]) {
        let Some(table) = self.identity.table() else { return };
        let verified =
            if self.identity.users == Users::BetterAuth { (", \"emailVerified\"", ", FALSE") } else { ("", "") };
        for user in ids {
            let id = self.identity.sql(*user);
            let (column, value) = verified;
            let sql = format!(
                "INSERT INTO {table} (id, name, email{column}) VALUES ({id}, 'User {user}', 'user{user}@example.com'{value})"
            );
            client.batch_execute(&sql).await.expect("a new user");
        }
    }

    /// Removes all users and everything that belongs to them.
    pub async fn clear(&self) {
        let tables = self.identity.table().unwrap_or("task_owner");
        self.execute(&format!("TRUNCATE {tables} CASCADE")).await;
    }

    /// Adds a task and returns its id.
    pub async fn task(&self, user: i32, title: &str) -> i64 {
        let sql = format!("INSERT INTO task (user_id, title) VALUES ({}, $1) RETURNING id", self.identity.sql(user));
        self.client.query_one(&sql, &[&title]).await.expect("a new task").get(0)
    }
}

/// The versions of all the files in `migrations/`.
#[must_use]
pub fn migrations() -> Vec<i64> {
    let entries = std::fs::read_dir(crate::root().join("migrations")).expect("migrations/");
    let names = entries.map(|entry| entry.expect("a file").file_name().into_string().expect("a name"));
    let version = |name: String| name.strip_prefix('V')?.split_once("__")?.0.parse().ok();
    let mut versions: Vec<_> = names.filter(|name| !name.ends_with(".undo.sql")).filter_map(version).collect();
    versions.sort_unstable();
    versions
}

/// The newest version in [`migrations`].
#[must_use]
pub fn newest_migration() -> i64 {
    *migrations().last().expect("a migration")
}

/// The port of the server.
#[must_use]
pub fn port() -> u16 {
    *server().get_ports().first().expect("a port in TEST_DATABASE_URL")
}

/// The URL of the server, if this program has started the server itself.
static SERVER: OnceLock<String> = OnceLock::new();

/// Uses the server at this URL instead of the one that `TEST_DATABASE_URL` names.
pub fn use_server(url: &str) {
    SERVER.set(url.to_owned()).expect("one server");
}

fn server() -> Config {
    let url = SERVER.get().cloned().or_else(|| std::env::var("TEST_DATABASE_URL").ok());
    let url = url.unwrap_or_else(|| {
        panic!(
            "TEST_DATABASE_URL is not set: these tests need a Postgres server on 127.0.0.1 on which they may create \
             databases, such as postgres://postgres@127.0.0.1:5432/postgres. `cargo xtask test` starts one."
        )
    });
    url.parse().expect("TEST_DATABASE_URL is a URL")
}

async fn connect(config: &Config) -> Client {
    // For the tests' own statements. The functions work without this search path.
    let mut config = config.clone();
    config.options(SEARCH_PATH);
    let (client, connection) = config.connect(NoTls).await.expect("a connection to TEST_DATABASE_URL");
    tokio::spawn(connection);
    client
}
