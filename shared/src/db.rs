//! The database: a pool of connections, and one way to run a statement.
//!
//! A statement is one flight: `query_typed` sends Parse, Bind, Execute and Sync together and
//! leaves nothing behind in the session, so a pooler in transaction mode may sit in between.

use std::{fmt, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use native_tls::TlsConnector;
use postgres_native_tls::MakeTlsConnector;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{
    Config, NoTls, Row,
    config::SslMode,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::{auth::Owner, telemetry};

/// A parameter of a statement and its Postgres type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// How long the first connection may take while the environment initialises. A database that is
/// away costs this much once, and the function starts all the same.
const FIRST_CONNECTION: Duration = Duration::from_secs(3);

/// How long one attempt to connect may take (to each address the host name stands for).
const CONNECT: Duration = Duration::from_secs(5);

/// The pool of this execution environment.
pub struct Db {
    pool: Pool,
}

impl Db {
    /// A pool for `config`; nothing is connected yet.
    ///
    /// One connection: an execution environment serves one request at a time.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: &Config) -> Result<Self, DbError> {
        let config = with_defaults(config);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = if config.get_ssl_mode() == SslMode::Disable {
            Manager::from_config(config, NoTls, recycling)
        } else {
            Manager::from_config(config, tls()?, recycling)
        };
        let pool = Pool::builder(manager).max_size(1).build().map_err(|_| DbError::Pool)?;
        Ok(Self { pool })
    }

    /// Opens the first connection, so that the first request need not wait for it. When that does
    /// not work the log says so and the first request tries again.
    pub async fn warm_up(&self) {
        match timeout(FIRST_CONNECTION, self.pool.get()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => telemetry::warn("no database connection at start", &DbError::Connect(error)),
            Err(_) => telemetry::warn("no database connection at start", &DbError::Deadline),
        }
    }

    /// Runs one statement on the rows of `owner`, who is its `$1`; `parameters` are `$2` and on.
    ///
    /// # Errors
    /// [`DbError`], at the latest when the request's deadline has come.
    pub async fn query(&self, owner: Owner, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, DbError> {
        let id = owner.id();
        let mut all: Vec<Parameter> = Vec::with_capacity(parameters.len() + 1);
        all.push((&id, Type::INT4));
        all.extend(parameters.iter().cloned());
        self.run(sql, &all).await
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// As [`Db::query`].
    pub async fn ping(&self) -> Result<(), DbError> {
        self.run("SELECT 1", &[]).await.map(drop)
    }

    async fn run(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, DbError> {
        let started = Instant::now();
        let statement = async {
            let lease = Lease(Some(self.pool.get().await.map_err(DbError::Connect)?));
            let rows = lease.client()?.query_typed(sql, parameters).await.map_err(DbError::Statement)?;
            lease.give_back();
            Ok(rows)
        };
        let result = timeout_at(telemetry::deadline(), statement).await.unwrap_or(Err(DbError::Deadline));
        telemetry::note_database_time(started.elapsed());
        result
    }
}

/// `config` with a bound on connecting and a name for the server's lists, where it has none.
#[must_use]
pub fn with_defaults(config: &Config) -> Config {
    let mut config = config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_application_name().is_none() {
        config.application_name("task-api");
    }
    config
}

/// The TLS that every connection uses, migrations' included.
///
/// # Errors
/// When the system's certificates cannot be read.
pub fn tls() -> Result<MakeTlsConnector, DbError> {
    TlsConnector::new().map(MakeTlsConnector::new).map_err(DbError::Tls)
}

/// A connection that is closed unless it is given back: one that was left in the middle of a
/// statement would make the next request wait for this one's answer.
struct Lease(Option<Object>);

impl Lease {
    fn client(&self) -> Result<&Object, DbError> {
        self.0.as_ref().ok_or(DbError::Pool)
    }

    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// Why the database did not do its part.
#[derive(Debug)]
pub enum DbError {
    /// TLS could not be set up.
    Tls(native_tls::Error),
    /// The pool is closed or badly set up.
    Pool,
    /// No connection.
    Connect(PoolError),
    /// The statement failed, or its connection did.
    Statement(tokio_postgres::Error),
    /// The request's deadline came first.
    Deadline,
}

impl DbError {
    /// Whether the same request may succeed a little later: the database is away, overloaded or
    /// took another transaction's side. Anything else is a mistake in this program or its schema.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        // Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection
        // exception, transaction rollback, insufficient resources, operator intervention, system
        // error; and a server that became read-only, as an old primary does in a failover.
        const CLASSES: [&str; 5] = ["08", "40", "53", "57", "58"];
        match self {
            Self::Connect(_) | Self::Deadline => true,
            Self::Statement(error) => error.code().is_none_or(|state| {
                *state == SqlState::READ_ONLY_SQL_TRANSACTION
                    || CLASSES.iter().any(|class| state.code().starts_with(class))
            }),
            Self::Tls(_) | Self::Pool => false,
        }
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "TLS cannot be set up",
            Self::Pool => "the pool has no connection to give",
            Self::Connect(_) => "cannot connect to the database",
            Self::Statement(_) => "the statement failed",
            Self::Deadline => "the deadline came before the database's answer",
        })
    }
}

impl std::error::Error for DbError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Connect(error) => Some(error),
            Self::Statement(error) => Some(error),
            Self::Pool | Self::Deadline => None,
        }
    }
}
