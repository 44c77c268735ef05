//! Rows: a user to try the API with, and the fixture of the sample events.

use anyhow::{Context, Result, anyhow};
use shared::db;
use tokio_postgres::Client;

use crate::settings::Settings;

const EMAIL: &str = "demo@example.com";
const TASKS: [(&str, &str, bool); 3] = [
    ("Read the README", "It is short.", true),
    ("Create a task", "The second curl line does.", false),
    ("Point a frontend at this API", "It needs the address and the token below.", false),
];

/// A connection to the database of the settings.
pub(crate) async fn connect(settings: &Settings) -> Result<Client> {
    let config = settings.env().database().map_err(|error| anyhow!(error.to_string()))?;
    let (client, connection) = db::with_defaults(&config)
        .connect(db::tls(&config).context("TLS")?)
        .await
        .map_err(|error| anyhow!("No connection to DATABASE_URL: {}", shared::telemetry::causes(&error).join(": ")))?;
    tokio::spawn(connection);
    Ok(client)
}

/// The id of the demo user, who is made with a few tasks when there is none.
pub(crate) async fn user(client: &Client) -> Result<i32> {
    let find = r#"SELECT id FROM "user" WHERE email = $1"#;
    if let Some(row) = client.query_opt(find, &[&EMAIL]).await.context("the demo user")? {
        return Ok(row.get(0));
    }
    let add = r#"INSERT INTO "user" (name, email, "emailVerified") VALUES ('Demo', $1, TRUE) RETURNING id"#;
    let id: i32 = client.query_one(add, &[&EMAIL]).await.context("the demo user")?.get(0);
    for (title, description, completed) in TASKS {
        let add = "INSERT INTO task_api.task (user_id, title, description, completed) VALUES ($1, $2, $3, $4)";
        client.execute(add, &[&id, &title, &description, &completed]).await.context("a task of the demo user")?;
    }
    Ok(id)
}
