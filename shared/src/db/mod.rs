//! The database: a pool of connections, and calls of the functions that a release has in it.
//!
//! A call is one statement and one round trip: nothing is prepared, no transaction is opened and nothing is
//! left behind in the session, so a pooler in transaction mode may sit in between. What a function does is
//! in a file of SQL beside the Rust that calls it; [`crate::release`] has all of them.

mod clock;
mod error;
mod outcome;
mod parameter;
#[cfg(test)]
mod tests;

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use deadpool_postgres::{ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::future::{Either, select};
use native_tls::TlsConnector;
use postgres_native_tls::{MakeTlsConnector, set_postgresql_alpn};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout, timeout_at};
use tokio_postgres::{
    Config, NoTls, Row,
    config::{SslMode, SslNegotiation},
    types::{ToSql, Type},
};

pub use clock::CLOCK_TOLERANCE;
use clock::ServerClock;
pub use error::DbError;
pub use outcome::Outcome;
pub use parameter::Parameter;

use crate::{auth::Owner, request_scope, telemetry};

/// The schema of this release's functions: `task_api_` and the start of the SHA-256 of their text, which
/// `build.rs` works out of all `.sql` files of this crate.
pub const RELEASE_SCHEMA: &str = env!("RELEASE_SCHEMA");

/// The text of a call of a function of this release, such as `call!("get_task($1, $2)")`.
macro_rules! call {
    ($call:literal) => {
        concat!("SELECT * FROM ", env!("RELEASE_SCHEMA"), ".", $call)
    };
}
pub(crate) use call;

/// Whether a write may run twice when nobody knows what became of the first time: its connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// A second time leaves what the first did.
    IfConnectionLost,
    /// A second time would do something else, or answer something else.
    Never,
}

/// How long the first connection may take while the environment initialises. A database that is
/// away costs this much once, and the function starts all the same.
const FIRST_CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt to connect may take (to each address the host name stands for).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server that refuses connections is asked again, as long as a restart takes; and the
/// time in between.
const CONNECT_RETRY: Duration = Duration::from_secs(1);
const CONNECT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// How long what was sent may stay unacknowledged by the other machine before the connection
/// counts as lost.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(3);

/// After how long without a statement a connection is asked for its server's clock before it is used:
/// the environment may have been frozen meanwhile, and Neon suspends after 5 minutes.
const VALIDATE_AFTER_IDLE: Duration = Duration::from_mins(1);

/// How long that may take. Then there is a new connection.
const VALIDATION_TIMEOUT: Duration = Duration::from_millis(500);

/// How long the server may take to hear that a statement is to be cancelled: some of the margin that
/// a request keeps back of its invocation's time.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);

/// How long the first attempt of a write may take. When its connection is lost, the second one, or else the
/// answer, waits until the first can no longer be committed. A write that the server gave up then, as it had
/// to wait for another's lock, has the rest of the request's time.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// How often a call is sent at most.
const ATTEMPTS: usize = 3;

/// The pool of this execution environment.
pub struct Db {
    pool: Pool,
    tls: Option<MakeTlsConnector>,
    clock: Arc<ServerClock>,
    /// When a connection was last used, by the wall clock: others may stand still while the environment
    /// is frozen.
    last_used: Mutex<SystemTime>,
    /// Timers that no call uses now.
    timers: Mutex<Vec<Timer>>,
}

/// A timer that is kept. One that is set to later costs nothing, where a new one takes a system
/// call to tell the runtime, which may be asleep, that it has to wake up earlier.
type Timer = Pin<Box<Sleep>>;

impl Db {
    /// A pool of up to `size` connections for `config`, as many as there are requests at once;
    /// nothing is connected yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: &Config, size: usize) -> Result<Self, DbError> {
        let config = with_defaults(config);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let tls = if config.get_ssl_mode() == SslMode::Disable { None } else { Some(tls(&config)?) };
        let manager = match tls.clone() {
            Some(tls) => Manager::from_config(config, tls, recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let clock = Arc::new(ServerClock::default());
        let of_hook = Arc::clone(&clock);
        let mut pool = Pool::builder(manager).max_size(size).post_create(Hook::async_fn(move |client, _| {
            let clock = Arc::clone(&of_hook);
            Box::pin(async move { read_clock(client, &clock).await.map_err(HookError::Backend) })
        }));
        if size > 1 {
            // Of several, one may rest while others are at work. Nothing is frozen where there are
            // several, so that any clock tells.
            pool = pool.pre_recycle(Hook::sync_fn(|_, metrics| match metrics.last_used() {
                idle if idle > VALIDATE_AFTER_IDLE => Err(HookError::message("idle for too long")),
                _ => Ok(()),
            }));
        }
        let pool = pool.build().map_err(|_| DbError::Pool)?;
        Ok(Self { pool, tls, clock, last_used: SystemTime::now().into(), timers: Mutex::default() })
    }

    /// Opens the first connection, so that the first request need not wait for it. When that does
    /// not work the log says so and the first request tries again.
    pub async fn warm_up(&self) {
        match timeout(FIRST_CONNECTION_TIMEOUT, self.pool.get()).await {
            Ok(Ok(_)) => self.mark_used(),
            Ok(Err(error)) => telemetry::warn("no database connection at start", &DbError::Connect(error)),
            Err(_) => telemetry::warn("no database connection at start", &DbError::Deadline),
        }
    }

    /// Calls a function that reads rows of `owner`, who is its `$1`; `parameters` are `$2` and on.
    ///
    /// # Errors
    /// [`DbError`], at the latest when the request's deadline has come.
    pub async fn read(&self, owner: &Owner, call: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, DbError> {
        let id = owner.id();
        let mut all: Vec<Parameter> = Vec::with_capacity(parameters.len() + 1);
        all.push((id, id.postgres_type()));
        all.extend(parameters.iter().cloned());
        self.read_only(call, &all).await
    }

    /// As [`Db::read`], of a function that has one row whatever it finds.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read_one(&self, owner: &Owner, call: &str, parameters: &[Parameter<'_>]) -> Result<Row, DbError> {
        self.read(owner, call, parameters).await?.into_iter().next().ok_or(DbError::NoRow)
    }

    /// Calls a function that changes rows of `owner`, who is its `$1`, and answers its one row;
    /// `parameters` are `$4` and on. `$2` is the time after which it changes nothing, `$3` how long it may wait
    /// for others' locks, in milliseconds, and the second column of its row is the server's clock.
    ///
    /// # Errors
    /// [`DbError`], at the latest when the request's deadline has come. Then nothing is changed any more,
    /// though it may have been before, unless the error says otherwise.
    pub async fn write(
        &self,
        owner: &Owner,
        retry: Retry,
        call: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Row, DbError> {
        let started = Instant::now();
        let result = self.attempts_to_write(owner, retry, call, parameters).await;
        request_scope::note_database_time(started.elapsed());
        result
    }

    async fn attempts_to_write(
        &self,
        owner: &Owner,
        retry: Retry,
        call: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Row, DbError> {
        let deadline = request_scope::deadline();
        let mut attempt_end = deadline.min(Instant::now() + FIRST_ATTEMPT);
        let mut attempt = 1;
        loop {
            let result = self.write_once(owner, call, parameters, attempt_end).await;
            let is_last = attempt == ATTEMPTS || Instant::now() >= deadline;
            match result {
                // Nothing was done. The server's clock is known anew, and the rest of the time is left.
                Ok(row) if Outcome::of(&row) == Outcome::Late => {
                    if is_last {
                        return Err(DbError::Deadline);
                    }
                }
                Err(error) if !is_last && error.is_rolled_back() => telemetry::warn("a write is repeated", &error),
                Err(error) if error.is_lost_connection() => {
                    // Nobody may be told anything, and nothing may be sent again, while it may still be
                    // committed.
                    if !error.is_end_of_process() {
                        sleep_until(attempt_end).await;
                    }
                    if is_last || retry == Retry::Never {
                        return Err(error);
                    }
                    telemetry::warn("a write is repeated", &error);
                }
                result => return result,
            }
            attempt_end = deadline;
            attempt += 1;
        }
    }

    /// Calls a function that writes, which commits nothing after `end`.
    async fn write_once(
        &self,
        owner: &Owner,
        call: &str,
        parameters: &[Parameter<'_>],
        end: Instant,
    ) -> Result<Row, DbError> {
        let connected = timeout_at(request_scope::deadline(), self.connection()).await;
        let client = connected.unwrap_or(Err(DbError::Deadline))?;
        // Known since the connection was made, which asks for it.
        let commit_by = self.clock.to_server_time(end).ok_or(DbError::Pool)?;
        let lock_timeout = end.saturating_duration_since(Instant::now()).as_millis();
        let lock_timeout = i32::try_from(lock_timeout).unwrap_or(i32::MAX);
        let mut all: Vec<Parameter> = Vec::with_capacity(parameters.len() + 3);
        all.push((owner.id(), owner.id().postgres_type()));
        all.extend([(&commit_by as &(dyn ToSql + Sync), Type::TIMESTAMPTZ), (&lock_timeout, Type::INT4)]);
        all.extend(parameters.iter().cloned());
        let row = self.send(client, call, &all).await?.into_iter().next().ok_or(DbError::NoRow)?;
        self.clock.set(row.get(1));
        Ok(row)
    }

    /// Whether the database has what routes need, as it was made.
    ///
    /// # Errors
    /// As [`Db::read`], and [`DbError::Unhealthy`] with what is wrong.
    pub async fn health(&self) -> Result<(), DbError> {
        let rows = self.read_only(call!("health()"), &[]).await?;
        match rows.first().and_then(|row| row.get(0)) {
            None => Ok(()),
            Some(problem) => Err(DbError::Unhealthy(problem)),
        }
    }

    /// Calls a function that only reads, a second time when the first was of no consequence.
    async fn read_only(&self, call: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, DbError> {
        let started = Instant::now();
        let deadline = request_scope::deadline();
        let attempt = async || {
            let client = timeout_at(deadline, self.connection()).await.unwrap_or(Err(DbError::Deadline))?;
            self.send(client, call, parameters).await
        };
        let result = match attempt().await {
            Err(error) if error.is_rolled_back() || error.is_lost_connection() => {
                telemetry::warn("a read is repeated", &error);
                attempt().await
            }
            result => result,
        };
        request_scope::note_database_time(started.elapsed());
        result
    }

    /// Sends a call and waits for its rows until the request's deadline.
    async fn send(&self, client: Object, call: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, DbError> {
        // One that was left in the middle of a statement would make the next request wait for this
        // one's answer.
        let guard = DiscardOnDrop(Some(client));
        let client = guard.client()?;
        let answer = self.with_deadline(request_scope::deadline(), client.query_typed(call, parameters)).await;
        let result = if let Some(result) = answer {
            result.map_err(DbError::Statement)
        } else {
            self.cancel(client).await;
            Err(DbError::Deadline)
        };
        if result.as_ref().map_or_else(DbError::leaves_session_usable, |_| true) {
            self.mark_used();
            guard.give_back();
        }
        result
    }

    /// A connection that is alive as far as one can tell.
    async fn connection(&self) -> Result<Object, DbError> {
        let client = self.open().await?;
        if !self.is_idle() {
            return Ok(client);
        }
        if let Ok(Ok(())) = timeout(VALIDATION_TIMEOUT, read_clock(&client, &self.clock)).await {
            self.mark_used();
            return Ok(client);
        }
        drop(Object::take(client));
        self.pool.retain(|_, _| false);
        self.open().await
    }

    /// A connection of the pool, or a new one. Nothing was sent on it, so trying again is safe; it is of
    /// use only where what is wrong may pass.
    async fn open(&self) -> Result<Object, DbError> {
        let end = Instant::now() + CONNECT_RETRY;
        loop {
            match self.pool.get().await {
                Ok(client) => return Ok(client),
                Err(error) if Instant::now() >= end || !error::is_transient_to_connect(&error) => {
                    return Err(DbError::Connect(error));
                }
                Err(_) => sleep(CONNECT_RETRY_DELAY).await,
            }
        }
    }

    /// What `work` comes to, and nothing when it has not by the deadline.
    async fn with_deadline<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
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

    /// Tells the server to stop what it does on a connection.
    async fn cancel(&self, client: &Object) {
        let token = client.cancel_token();
        let cancelled = async {
            match self.tls.clone() {
                Some(tls) => token.cancel_query(tls).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        if let Ok(Err(error)) = timeout(CANCEL_TIMEOUT, cancelled).await {
            telemetry::warn("a statement could not be cancelled", &error);
        }
    }

    fn mark_used(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
    }

    /// Whether a connection may have died unnoticed. A clock that was set back does not tell.
    fn is_idle(&self) -> bool {
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        last_used.elapsed().map_or(true, |idle| idle > VALIDATE_AFTER_IDLE)
    }
}

/// Asks for the server's clock, which is also a sign of life.
async fn read_clock(client: &ClientWrapper, clock: &ServerClock) -> Result<(), tokio_postgres::Error> {
    let rows = client.query_typed("SELECT clock_timestamp()", &[]).await?;
    if let Some(row) = rows.first() {
        clock.set(row.try_get::<_, DateTime<Utc>>(0)?);
    }
    Ok(())
}

/// `config` with bounds on waiting and a name for the server's lists, where it has none.
#[must_use]
pub fn with_defaults(config: &Config) -> Config {
    let mut config = config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
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
pub fn tls(config: &Config) -> Result<MakeTlsConnector, DbError> {
    let mut builder = TlsConnector::builder();
    if config.get_ssl_negotiation() == SslNegotiation::Direct {
        set_postgresql_alpn(&mut builder);
    }
    builder.build().map(MakeTlsConnector::new).map_err(DbError::Tls)
}

/// A connection that is closed unless it is given back.
struct DiscardOnDrop(Option<Object>);

impl DiscardOnDrop {
    fn client(&self) -> Result<&Object, DbError> {
        self.0.as_ref().ok_or(DbError::Pool)
    }

    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for DiscardOnDrop {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
