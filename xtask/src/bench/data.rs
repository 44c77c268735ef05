//! The databases that are measured against: one without TLS, one that insists on TLS and SCRAM.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use tokio_postgres::Client;

use super::process::{Launch, Process};
use crate::{
    build::Processor,
    demo,
    postgres::{Durability, Server},
    settings::Settings,
};

/// The user with ten tasks, ids 1 to 10, whom nobody changes.
pub(super) const READER: i32 = 1;
/// The user whose tasks are changed.
pub(super) const WRITER: i32 = 2;

/// The tasks that are changed over and over: by update-task, by complete-task, by the floor.
pub(super) const UPDATED: i64 = 11;
pub(super) const COMPLETED: i64 = 12;
pub(super) const FLOOR_UPDATED: i64 = 13;
/// The first of the tasks that are there to be deleted.
pub(super) const DELETED: i64 = 1_000_000_000;

/// The role that functions log in as without TLS: no superuser, and one that may make roles, as on Neon.
const ROLE: &str = "app";

/// A migrated database.
pub(super) struct Database {
    /// The superuser's connection.
    pub(super) client: Client,
    /// Where functions find it.
    pub(super) url: String,
    certificate: Option<PathBuf>,
    _server: Server,
}

impl Database {
    /// A database without rows.
    pub(super) async fn start(durability: Durability, processor: Processor) -> Result<Self> {
        let encrypted = durability == Durability::Encrypted;
        let server = Server::start(if encrypted { "bench-encrypted" } else { "bench" }, durability).await?;
        let client = demo::connect(&Settings::of_events(&server.url("postgres"))).await?;
        let (url, certificate) = if encrypted {
            (server.encrypted_url("postgres"), Some(server.certificate()))
        } else {
            let role = format!("CREATE ROLE {ROLE} LOGIN CREATEROLE; GRANT ALL ON SCHEMA public TO {ROLE}");
            client.batch_execute(&role).await.context(role)?;
            (server.url("postgres").replacen("postgres@", &format!("{ROLE}@"), 1), None)
        };
        let database = Self { client, url, certificate, _server: server };
        let launch = Launch {
            name: "migrate".into(),
            binary: processor.binary("migrate"),
            variables: database.variables(&database.url),
            ..Launch::default()
        };
        let mut migrate = Process::start(&launch).await?;
        migrate.call(json!({ "action": "up" }).to_string()).await?;
        Ok(database)
    }

    /// The variables of a function that calls itself so to the database.
    pub(super) fn variables_of(&self, application_name: &str) -> Vec<(String, String)> {
        self.variables(&format!("{}&application_name={application_name}", self.url))
    }

    /// The variables of a function that finds its database at `url`.
    pub(super) fn variables(&self, url: &str) -> Vec<(String, String)> {
        let mut settings = Settings::of_events(url);
        if let Some(certificate) = &self.certificate {
            settings.set("SSL_CERT_FILE", &certificate.display().to_string());
        }
        settings.variables().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The port of its server.
    pub(super) fn port(&self) -> Result<u16> {
        let config: tokio_postgres::Config = self.url.parse().context("the URL of the database")?;
        config.get_ports().first().copied().ok_or_else(|| anyhow!("the URL of the database has no port"))
    }

    /// Two users, their tasks, and so many tasks to delete.
    pub(super) async fn fill(&self, deletions: u64) -> Result<()> {
        let sql = format!(
            r#"
            INSERT INTO "user" (id, name, email, "emailVerified")
            VALUES ({READER}, 'Reader', 'reader@example.com', TRUE), ({WRITER}, 'Writer', 'writer@example.com', TRUE);
            INSERT INTO task_api.task (id, user_id, title, description)
            SELECT n, CASE WHEN n <= 10 THEN {READER} ELSE {WRITER} END,
                'Task ' || n || ' of a list that is as long as lists are', 'What is to be done about it, in a line.'
            FROM generate_series(1, {FLOOR_UPDATED}) AS n;
            INSERT INTO task_api.task (id, user_id, title)
            SELECT {DELETED} + n, {WRITER}, 'To be deleted' FROM generate_series(0, {deletions}) AS n;
            ALTER SEQUENCE task_api.task_id_seq RESTART 1000;
            "#
        );
        self.client.batch_execute(&sql).await.context("the rows")?;
        self.client.batch_execute("VACUUM ANALYZE").await.context("VACUUM ANALYZE")
    }

    /// The server's process that works for whoever calls itself so.
    pub(super) async fn backend(&self, application_name: &str) -> Result<Option<u32>> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY backend_start DESC LIMIT 1";
        let row = self.client.query_opt(sql, &[&application_name]).await.context("the server's processes")?;
        Ok(row.and_then(|row| row.get::<_, i32>(0).try_into().ok()))
    }

    /// The version of the server.
    pub(super) async fn version(&self) -> Result<String> {
        let row = self.client.query_one("SHOW server_version", &[]).await.context("the version of Postgres")?;
        // What follows is whose package it is.
        let version: String = row.get(0);
        Ok(version.split(' ').next().unwrap_or_default().to_owned())
    }
}
