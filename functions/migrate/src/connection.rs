//! The database, and an unpooled connection to it as the migrations' user, with no caller set.

use shared::{auth::UserIds, config::UsersTable, db, telemetry};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use crate::failure::Failure;

/// The database, and the settings of its users.
pub(crate) struct Database {
    /// The connection for migrations.
    pub(crate) config: Config,
    /// The role that routes log in as.
    pub(crate) login: Option<String>,
    /// The kind of ids that users have.
    pub(crate) user_ids: UserIds,
    /// The table with the users.
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
