//! A real Better Auth server: the one in `examples/better-auth`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use ureq::Agent;

use crate::postgres::Database;

/// The secret of the tests' Better Auth servers.
pub const SECRET: &str = "a-secret-of-better-auth-0123456789abcdef";

/// The password of every user.
pub const PASSWORD: &str = "correct horse battery";

/// A running server. It stops when this is dropped.
pub struct BetterAuth {
    url: String,
    agent: Agent,
    // Kept because dropping it stops the server.
    _child: Child,
}

/// A user who has signed up.
#[derive(Debug, Clone)]
pub struct User {
    /// The id.
    pub id: String,
    /// The session token.
    pub session: String,
}

impl BetterAuth {
    /// Starts a server with these additional variables on a database. The server migrates the database.
    pub async fn start(database: &Database, variables: &[(&str, &str)]) -> Self {
        let folder = crate::root().join("examples/better-auth");
        let installed = folder.join("node_modules/better-auth").exists();
        assert!(installed, "run `npm ci` in {}, or `cargo xtask test`", folder.display());
        let port = devtools::postgres::free_port().expect("a port for Better Auth").to_string();
        let mut child = Command::new(std::env::var_os("TEST_NODE").unwrap_or_else(|| "node".into()))
            .arg("server.mjs")
            .current_dir(folder)
            .env("DATABASE_URL", database.url())
            .env("BETTER_AUTH_SECRET", SECRET)
            .env("PORT", &port)
            .env("RATE_LIMIT", "off")
            .env("USER_IDS", database.identity.ids.name())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node.js, which runs Better Auth");
        let stdout = child.stdout.take().expect("a pipe");
        let line = BufReader::new(stdout).lines().next_line().await.expect("what Better Auth says");
        let url = line.as_deref().and_then(|line| line.strip_prefix("ready "));
        let url = url.unwrap_or_else(|| panic!("Better Auth did not start: {line:?}")).to_owned();
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        Self { url, agent, _child: child }
    }

    /// The server's origin.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Signs a user up.
    pub async fn sign_up(&self, name: &str) -> User {
        let email = format!("{}@example.com", name.to_lowercase());
        let body = json!({ "name": name, "email": email, "password": PASSWORD });
        let (status, answer) = self.post("sign-up/email", None, body).await;
        assert_eq!(status, 200, "{answer}");
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        User { id: text(&answer["user"]["id"]), session: text(&answer["token"]) }
    }

    /// A token for the API.
    ///
    /// # Errors
    /// The status of the answer, when the session gets no token.
    pub async fn token(&self, user: &User) -> Result<String, u16> {
        let (url, agent, session) = (format!("{}/api/auth/token", self.url), self.agent.clone(), user.session.clone());
        let (status, answer) =
            read(move || agent.get(url).header("authorization", format!("Bearer {session}")).call()).await;
        answer["token"].as_str().map(str::to_owned).ok_or(status)
    }

    /// Ends a session.
    pub async fn sign_out(&self, user: &User) {
        let (status, answer) = self.post("sign-out", Some(user), json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Deletes an account.
    pub async fn delete(&self, user: &User) {
        let (status, answer) = self.post("delete-user", Some(user), json!({ "password": PASSWORD })).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn post(&self, path: &str, user: Option<&User>, body: Value) -> (u16, Value) {
        let mut request = self.agent.post(format!("{}/api/auth/{path}", self.url));
        if let Some(user) = user {
            request = request.header("authorization", format!("Bearer {}", user.session));
        }
        read(move || request.header("content-type", "application/json").send(body.to_string())).await
    }
}

/// Status and body of an answer.
async fn read<F>(call: F) -> (u16, Value)
where
    F: FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error> + Send + 'static,
{
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = call().expect("an answer of Better Auth");
        let body = answer.body_mut().read_to_string().expect("its body");
        (answer.status().as_u16(), serde_json::from_str(&body).unwrap_or_default())
    });
    answer.await.expect("a call of Better Auth")
}
