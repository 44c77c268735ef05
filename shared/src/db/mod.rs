//! The database: a pool of connections, and one way to run a statement.
//!
//! A statement is one flight: everything that it needs is sent together, nothing is prepared and
//! nothing is left behind in the session, so a pooler in transaction mode may sit in between.

mod arguments;
mod error;
#[cfg(test)]
mod tests;

use std::{
    pin::{Pin, pin},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::future::{Either, join3, select};
use native_tls::TlsConnector;
use postgres_native_tls::MakeTlsConnector;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout, timeout_at};
use tokio_postgres::{
    Config, NoTls, Row,
    config::SslMode,
    types::{ToSql, Type},
};

pub use arguments::Arguments;
pub use error::DbError;

use crate::{auth::Owner, telemetry};

/// A parameter of a statement and its Postgres type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Whether a statement may run twice when nobody knows what became of the first time: its
/// connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or a second time leaves what the first did.
    Safe,
    /// A second time would do something else, or answer something else.
    Never,
}

/// The role that statements run under, made by `migrations/`: it owns nothing, may not bypass a
/// policy and may not log in.
pub const ROLE: &str = "task_api";

/// The setting that the policies of the tables look at.
const CALLER: &str = "task_api.user_id";

/// How long the first connection may take while the environment initialises. A database that is
/// away costs this much once, and the function starts all the same.
const FIRST_CONNECTION: Duration = Duration::from_secs(3);

/// How long one attempt to connect may take (to each address the host name stands for).
const CONNECT: Duration = Duration::from_secs(5);

/// How long a server that refuses connections is asked again, as long as a restart takes; and the
/// pause in between.
const RECONNECT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);

/// How long what was sent may stay unacknowledged by the other machine before the connection
/// counts as lost.
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// After how long without a statement a connection is asked for a sign of life before it is used:
/// the environment may have been frozen meanwhile, and Neon suspends after 5 minutes.
const IDLE: Duration = Duration::from_mins(1);

/// How long the sign of life may take. Then there is a new connection.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// How long the server may take to hear that a statement is to be cancelled: some of the margin that
/// a request keeps back of its invocation's time.
const CANCEL: Duration = Duration::from_millis(250);

/// How much earlier than the request's deadline the server gives up on a statement, so that it is
/// the server that says so and the connection stays.
const SERVERS_MARGIN: Duration = Duration::from_millis(50);

/// The pool of this execution environment.
pub struct Db {
    pool: Pool,
    tls: Option<MakeTlsConnector>,
    row_level_security: bool,
    /// When a connection was last known to be alive, by the wall clock: others may stand still
    /// while the environment is frozen.
    alive: Mutex<SystemTime>,
    /// Timers that no statement uses now.
    timers: Mutex<Vec<Timer>>,
}

/// A timer that is kept. One that is set to later costs nothing, where a new one takes a system
/// call to tell the runtime, which may be asleep, that it has to wake up earlier.
type Timer = Pin<Box<Sleep>>;

/// One statement, as it is sent.
struct Statement<'a> {
    owner: Option<Owner>,
    sql: &'a str,
    parameters: &'a [Parameter<'a>],
}

impl Db {
    /// A pool of up to `size` connections for `config`, as many as there are requests at once;
    /// nothing is connected yet. With `row_level_security`, statements run under [`ROLE`].
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: &Config, row_level_security: bool, size: usize) -> Result<Self, DbError> {
        let config = with_defaults(config);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let tls = if config.get_ssl_mode() == SslMode::Disable { None } else { Some(tls()?) };
        let manager = match tls.clone() {
            Some(tls) => Manager::from_config(config, tls, recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let mut pool = Pool::builder(manager).max_size(size);
        if size > 1 {
            // Of several, one may rest while others are at work. Nothing is frozen where there are
            // several, so that any clock tells.
            pool = pool.pre_recycle(Hook::sync_fn(|_, metrics| match metrics.last_used() {
                idle if idle > IDLE => Err(HookError::message("idle for too long")),
                _ => Ok(()),
            }));
        }
        let pool = pool.build().map_err(|_| DbError::Pool)?;
        Ok(Self { pool, tls, row_level_security, alive: SystemTime::now().into(), timers: Mutex::default() })
    }

    /// Opens the first connection, so that the first request need not wait for it. When that does
    /// not work the log says so and the first request tries again.
    pub async fn warm_up(&self) {
        match timeout(FIRST_CONNECTION, self.pool.get()).await {
            Ok(Ok(_)) => self.note_life(),
            Ok(Err(error)) => telemetry::warn("no database connection at start", &DbError::Connect(error)),
            Err(_) => telemetry::warn("no database connection at start", &DbError::Deadline),
        }
    }

    /// Runs one statement on the rows of `owner`, who is its `$1`; `parameters` are `$2` and on.
    ///
    /// # Errors
    /// [`DbError`], at the latest when the request's deadline has come.
    pub async fn query(
        &self,
        owner: Owner,
        repeat: Repeat,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, DbError> {
        let id = owner.id();
        let mut all: Vec<Parameter> = Vec::with_capacity(parameters.len() + 1);
        all.push((&id, Type::INT4));
        all.extend(parameters.iter().cloned());
        self.run(&Statement { owner: Some(owner), sql, parameters: &all }, repeat).await
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// As [`Db::query`].
    pub async fn ping(&self) -> Result<(), DbError> {
        self.run(&Statement { owner: None, sql: "SELECT 1", parameters: &[] }, Repeat::Safe).await.map(drop)
    }

    async fn run(&self, statement: &Statement<'_>, repeat: Repeat) -> Result<Vec<Row>, DbError> {
        let started = Instant::now();
        let result = match self.attempt(statement).await {
            Err(error) if error.is_rollback() || (repeat == Repeat::Safe && error.is_lost_connection()) => {
                telemetry::warn("a statement is repeated", &error);
                self.attempt(statement).await
            }
            result => result,
        };
        telemetry::note_database_time(started.elapsed());
        result
    }

    async fn attempt(&self, statement: &Statement<'_>) -> Result<Vec<Row>, DbError> {
        let deadline = telemetry::deadline();
        let client = timeout_at(deadline, self.connection()).await.unwrap_or(Err(DbError::Deadline))?;
        // Closed unless it is given back: one that was left in the middle of a statement would make
        // the next request wait for this one's answer.
        let lease = Lease(Some(client));
        let answer = self.until(deadline, self.send(lease.client()?, statement)).await;
        let result = if let Some(result) = answer {
            result.map_err(DbError::Statement)
        } else {
            self.cancel(lease.client()?).await;
            Err(DbError::Deadline)
        };
        let is_whole = match &result {
            Ok(_) => true,
            Err(error @ DbError::Statement(_)) => !error.is_lost_connection(),
            Err(_) => false,
        };
        if is_whole {
            self.note_life();
            lease.give_back();
        }
        result
    }

    /// A connection that is alive as far as one can tell.
    async fn connection(&self) -> Result<Object, DbError> {
        let client = self.open().await?;
        if !self.is_idle() {
            return Ok(client);
        }
        if let Ok(Ok(())) = timeout(SIGN_OF_LIFE, client.check_connection()).await {
            return Ok(client);
        }
        drop(Object::take(client));
        self.pool.retain(|_, _| false);
        self.open().await
    }

    /// A connection of the pool, or a new one. Nothing was sent on it, so trying again is safe.
    async fn open(&self) -> Result<Object, DbError> {
        let end = Instant::now() + RECONNECT;
        loop {
            match self.pool.get().await {
                Ok(client) => return Ok(client),
                Err(error) if Instant::now() >= end => return Err(DbError::Connect(error)),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Sends a statement, with what it has to run in, and waits for all the answers.
    async fn send(&self, client: &Object, statement: &Statement<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        let rows = client.query_typed(statement.sql, statement.parameters);
        if !self.row_level_security {
            return rows.await;
        }
        let left = telemetry::deadline().saturating_duration_since(Instant::now()).saturating_sub(SERVERS_MARGIN);
        let caller = statement.owner.map(|owner| owner.id().to_string()).unwrap_or_default();
        let prologue = format!(
            "BEGIN; SET LOCAL ROLE {ROLE}; SET LOCAL {CALLER} = '{caller}'; SET LOCAL statement_timeout = {}",
            // 0 would be none.
            left.as_millis().max(1),
        );
        // All three are sent before the first answer is waited for. In a transaction that has failed
        // the server refuses what follows, and its COMMIT is a rollback.
        let (begun, rows, committed) =
            join3(client.batch_execute(&prologue), rows, client.batch_execute("COMMIT")).await;
        if let Err(error) = begun {
            if rows.is_ok() {
                // It failed before there was a transaction: somebody cancelled it at that moment.
                telemetry::warn("a statement ran outside of its transaction", &error);
            }
            return Err(error);
        }
        let rows = rows?;
        committed?;
        Ok(rows)
    }

    /// What `work` comes to, and nothing when it has not by the deadline.
    async fn until<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
        let timer = self.timers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut timer = timer.unwrap_or_else(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().reset(deadline);
        let result = match select(pin!(work), timer.as_mut()).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        };
        self.timers.lock().unwrap_or_else(PoisonError::into_inner).push(timer);
        result
    }

    /// Tells the server to stop what it does on a connection. With row-level security it does so by
    /// itself.
    async fn cancel(&self, client: &Object) {
        if self.row_level_security {
            return;
        }
        let token = client.cancel_token();
        let cancelled = async {
            match self.tls.clone() {
                Some(tls) => token.cancel_query(tls).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        if let Ok(Err(error)) = timeout(CANCEL, cancelled).await {
            telemetry::warn("a statement could not be cancelled", &error);
        }
    }

    fn note_life(&self) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
    }

    /// Whether a connection may have died unnoticed. A clock that was set back does not tell.
    fn is_idle(&self) -> bool {
        let alive = *self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.elapsed().map_or(true, |idle| idle > IDLE)
    }
}

/// `config` with bounds on waiting and a name for the server's lists, where it has none.
#[must_use]
pub fn with_defaults(config: &Config) -> Config {
    let mut config = config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
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

/// A connection that is closed unless it is given back.
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
