//! The Better Auth server in `examples/better-auth`.

use std::{path::PathBuf, process::Stdio, time::Duration};

use devtools::{
    settings::{Settings, root},
    tools,
    ui::step,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};

use anyhow::{Result, anyhow, bail};

/// The time limit for the server to migrate and to listen.
const START: Duration = Duration::from_secs(30);

/// A running server. It stops when this is dropped.
pub(crate) struct BetterAuth {
    // Kept because dropping it stops the server.
    _child: Child,
}

fn folder() -> PathBuf {
    root().join("examples").join("better-auth")
}

/// The address of a server on a port. It is localhost and not 127.0.0.1, because a browser sends cookies only to the
/// page's own site, and pages under development are at localhost.
pub(crate) fn url(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// Installs the server's packages.
pub(crate) async fn prepare() -> Result<()> {
    tools::node().await?.install(&folder()).await
}

impl BetterAuth {
    /// Starts the server with the database and the page origins of the settings. The API's migrations must be done.
    pub(crate) async fn start(port: u16, settings: &Settings) -> Result<Self> {
        step(&format!("Starting Better Auth on {}", url(port)));
        let setting = |name: &str| settings.get(name).unwrap_or_default();
        let mut child = tools::node()
            .await?
            .command()
            .arg("server.mjs")
            .current_dir(folder())
            .env("PORT", port.to_string())
            .env("BETTER_AUTH_URL", url(port))
            .env("BETTER_AUTH_SECRET", setting("BETTER_AUTH_SECRET"))
            .env("DATABASE_URL", setting("DATABASE_URL"))
            .env("TRUSTED_ORIGINS", setting("CORS_ORIGINS"))
            .env("USER_IDS", settings.get("USER_IDS").unwrap_or("integer"))
            .env("RATE_LIMIT", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("Better Auth has no output"))?;
        let mut lines = BufReader::new(stdout).lines();
        match timeout(START, lines.next_line()).await {
            Ok(Ok(Some(line))) if line.starts_with("ready ") => Ok(Self { _child: child }),
            // The server itself has printed what is wrong.
            _ => bail!("Better Auth does not listen on port {port}."),
        }
    }
}
