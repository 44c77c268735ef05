//! The database, and a connection to it as the migrations' user: not pooled, and without an owner of rows.

use shared::{auth::UserIds, config::UsersTable, db, telemetry};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use crate::failure::Failure;

/// The database, and who uses it.
pub(crate) struct Database {
    /// Where migrations run.
    pub(crate) config: Config,
    /// The role that routes log in as.
    pub(crate) login: Option<String>,
    /// The kind of ids that users have.
    pub(crate) user_ids: UserIds,
    /// Where users are.
    pub(crate) users_table: UsersTable,
}

/// An open connection.
pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
}

impl Connection {
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let failed = |error: &(dyn std::error::Error + 'static)| Failure::Connect(telemetry::causes(error).join(": "));
        let tls = db::tls(config).map_err(|error| failed(&error))?;
        let (client, connection) = db::with_defaults(config).connect(tls).await.map_err(|error| failed(&error))?;
        // The running statement reports an error that ends the connection.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Self { client, driver })
    }
}

impl Drop for Connection {
    /// Ends the session, and so rolls back an open transaction.
    fn drop(&mut self) {
        self.driver.abort();
    }
}
