//! A connection of the migrations' own: not pooled, and nobody's, so it can do anything.

use shared::{db, telemetry};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use crate::run::Failure;

pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
}

impl Connection {
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let failed = |error: &(dyn std::error::Error + 'static)| Failure::Connect(telemetry::causes(error).join(": "));
        let tls = db::tls(config).map_err(|error| failed(&error))?;
        let (client, connection) = db::with_defaults(config).connect(tls).await.map_err(|error| failed(&error))?;
        // What ends the connection, the statement at hand reports.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Self { client, driver })
    }
}

impl Drop for Connection {
    /// Ends the session, and with it a transaction that was abandoned.
    fn drop(&mut self) {
        self.driver.abort();
    }
}
