//! The connections of the pool: opened, checked, waited for, cancelled and closed.

#[cfg(test)]
mod tests;

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::future::{Either, select};
use native_tls::TlsConnector;
use postgres_native_tls::{MakeTlsConnector, set_postgresql_alpn};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_postgres::{
    Config, NoTls,
    config::{SslMode, SslNegotiation},
};

use super::{
    Db, DbError,
    clock::{CLOCK, ServerClock},
    error,
};
use crate::telemetry;

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

/// A timer that is kept. One that is set to later costs nothing, where a new one takes a system
/// call to tell the runtime, which may be asleep, that it has to wake up earlier.
pub(super) type Timer = Pin<Box<Sleep>>;

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
        let mut pool = Pool::builder(manager).max_size(size).post_create(Hook::sync_fn(move |_, _| {
            of_hook.forget();
            Ok(())
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

    /// Opens the first connection, so that the first request need not wait for it, and asks for the server's clock if
    /// it `writes`. When that does not work the log says so and the first request tries again.
    pub async fn warm_up(&self, writes: bool) {
        match timeout(FIRST_CONNECTION_TIMEOUT, self.open_first(writes)).await {
            Ok(Ok(())) => self.mark_used(),
            Ok(Err(error)) => telemetry::warn("no database connection at start", &error),
            Err(_) => telemetry::warn("no database connection at start", &DbError::Deadline),
        }
    }

    async fn open_first(&self, writes: bool) -> Result<(), DbError> {
        let guard = DiscardOnDrop(Some(self.pool.get().await.map_err(DbError::Connect)?));
        if writes {
            self.ask_clock(guard.client()?).await?;
        }
        guard.give_back();
        Ok(())
    }

    /// A connection that is alive as far as one can tell.
    pub(super) async fn connection(&self) -> Result<Object, DbError> {
        let client = self.open().await?;
        if self.is_idle() { self.validated(client).await } else { Ok(client) }
    }

    /// The connection if it still works, or else a new one.
    async fn validated(&self, client: Object) -> Result<Object, DbError> {
        // It may also be this request that ends while the server does not answer.
        let guard = DiscardOnDrop(Some(client));
        let client = if let Ok(Ok(())) = timeout(VALIDATION_TIMEOUT, self.ask_clock(guard.client()?)).await {
            guard.into_client()?
        } else {
            drop(guard);
            self.pool.retain(|_, _| false);
            self.open().await?
        };
        self.mark_used();
        Ok(client)
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
    pub(super) async fn with_deadline<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
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
    pub(super) async fn cancel(&self, client: &Object) {
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

    /// Asks for the server's clock, which is also a sign of life.
    async fn ask_clock(&self, client: &Object) -> Result<(), DbError> {
        self.clock.read(&client.query_typed(CLOCK, &[]).await.map_err(DbError::Statement)?)
    }

    pub(super) fn mark_used(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
    }

    /// Whether a connection may have died unnoticed. A clock that was set back does not tell.
    fn is_idle(&self) -> bool {
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        last_used.elapsed().map_or(true, |idle| idle > VALIDATE_AFTER_IDLE)
    }
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
pub(super) struct DiscardOnDrop(pub(super) Option<Object>);

impl DiscardOnDrop {
    pub(super) fn client(&self) -> Result<&Object, DbError> {
        self.0.as_ref().ok_or(DbError::Pool)
    }

    pub(super) fn give_back(mut self) {
        self.0 = None;
    }

    fn into_client(mut self) -> Result<Object, DbError> {
        self.0.take().ok_or(DbError::Pool)
    }
}

impl Drop for DiscardOnDrop {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
