//! The demo user for trying the API.

use anyhow::{Context, Result, anyhow};
use devtools::settings::Settings;
use shared::{
    auth::UserIds,
    config::{ConfigError, UsersTable},
};
use tokio_postgres::Client;

const EMAIL: &str = "demo@example.com";
const TASKS: [(&str, &str, bool); 3] = [
    ("Read the README", "It is short.", true),
    ("Create a task", "The second curl line does.", false),
    ("Point a frontend at this API", "It needs the address and the token below.", false),
];

/// The id of the demo user. If there are no users, this creates the user with a few tasks. `None` if the users table
/// is not Better Auth's: only its owner knows how to create a user.
pub(crate) async fn user(client: &Client, settings: &Settings) -> Result<Option<String>> {
    let wrong = |error: ConfigError| anyhow!(error.to_string());
    let (ids, users) = (settings.env().user_ids().map_err(wrong)?, settings.env().users_table().map_err(wrong)?);
    let id = match ids {
        UserIds::Integer => "1",
        UserIds::Text => "demo",
        UserIds::Uuid => "0190163d-8694-739b-aea5-966c26f8ad91",
    };
    let kind = ids.sql_type();
    let id = match users {
        UsersTable::Other { .. } => return Ok(None),
        UsersTable::None => id.to_owned(),
        UsersTable::BetterAuth => {
            let find = r#"SELECT id::TEXT FROM "user" WHERE email = $1"#;
            if let Some(row) = client.query_opt(find, &[&EMAIL]).await.context("the demo user")? {
                return Ok(Some(row.get(0)));
            }
            // For integer ids, the column has a default.
            let value = if ids == UserIds::Integer { "DEFAULT".into() } else { format!("'{id}'") };
            let add = format!(
                r#"INSERT INTO "user" (id, name, email, "emailVerified") VALUES ({value}, 'Demo', $1, TRUE) RETURNING id::TEXT"#
            );
            client.query_one(&add, &[&EMAIL]).await.context("the demo user")?.get(0)
        }
    };
    let has_tasks = format!("SELECT EXISTS (SELECT FROM task_api.task WHERE user_id = $1::TEXT::{kind})");
    if client.query_one(&has_tasks, &[&id]).await.context("the tasks of the demo user")?.get(0) {
        return Ok(Some(id));
    }
    for (title, description, completed) in TASKS {
        let add = format!(
            "INSERT INTO task_api.task (user_id, title, description, completed) VALUES ($1::TEXT::{kind}, $2, $3, $4)"
        );
        client.execute(&add, &[&id, &title, &description, &completed]).await.context("a task of the demo user")?;
    }
    Ok(Some(id))
}
