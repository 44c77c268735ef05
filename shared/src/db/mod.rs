//! The database: a pool of connections, and calls of the functions that a release has in it.
//!
//! A call is one statement and one round trip: nothing is prepared, no transaction is opened and nothing is
//! left behind in the session, so a pooler in transaction mode may sit in between. What a function does is
//! in a file of SQL beside the Rust that calls it; [`crate::release`] has all of them.

mod answer;
mod clock;
mod connection;
mod error;
mod outcome;
mod parameter;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use deadpool_postgres::{Object, Pool};
use postgres_native_tls::MakeTlsConnector;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

pub use answer::{Answer, Fields};
pub use clock::CLOCK_TOLERANCE;
use clock::{CLOCK, ServerClock};
use connection::{DiscardOnDrop, Timer};
pub use connection::{tls, with_defaults};
pub use error::DbError;
pub use outcome::Outcome;
pub use parameter::Parameter;

use crate::{auth::Owner, request_scope, telemetry};

/// The schema of this release's functions: `task_api_` and the start of the SHA-256 of their text, which
/// `build.rs` works out of all `.sql` files of this crate, and of the files in Rust with parts of them.
pub const RELEASE_SCHEMA: &str = env!("RELEASE_SCHEMA");

/// The text of a call of a function of this release that returns one value, such as `call!("get_task($1, $2)")`.
macro_rules! call {
    ($call:literal) => {
        concat!("SELECT ", env!("RELEASE_SCHEMA"), ".", $call)
    };
}
pub(crate) use call;

/// The same of a function that returns rows.
macro_rules! call_for_rows {
    ($call:literal) => {
        concat!("SELECT * FROM ", env!("RELEASE_SCHEMA"), ".", $call)
    };
}
pub(crate) use call_for_rows;

/// Whether a write may run twice when nobody knows what became of the first time: its connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// A second time leaves what the first did.
    IfConnectionLost,
    /// A second time would do something else, or answer something else.
    Never,
}

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

impl Db {
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

    /// As [`Db::read`], of a function that has one answer whatever it finds.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read_one(&self, owner: &Owner, call: &str, parameters: &[Parameter<'_>]) -> Result<Answer, DbError> {
        Answer::of(self.read(owner, call, parameters).await?)
    }

    /// Calls a function that changes rows of `owner`, who is its `$1`, and returns its answer;
    /// `parameters` are `$4` and on. `$2` is the time after which it changes nothing, `$3` how long it may wait
    /// for others' locks (the value of `lock_timeout`), and the second field of its answer is the server's clock.
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
    ) -> Result<Answer, DbError> {
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
    ) -> Result<Answer, DbError> {
        let deadline = request_scope::deadline();
        let mut attempt_end = deadline.min(Instant::now() + FIRST_ATTEMPT);
        let mut attempt = 1;
        loop {
            let result = self.write_once(owner, call, parameters, attempt_end).await;
            let is_last = attempt == ATTEMPTS || Instant::now() >= deadline;
            match result {
                // Nothing was done. The server's clock is known anew, and the rest of the time is left.
                Ok(answer) if matches!(answer.outcome(), Ok(Outcome::Late)) => {
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
    ) -> Result<Answer, DbError> {
        let (client, commit_by) = self.connection_for_write(end).await?;
        // Zero would mean to wait for ever, and more than an INTEGER is an error.
        let lock_timeout = end.saturating_duration_since(Instant::now()).as_millis();
        let lock_timeout = lock_timeout.clamp(1, i32::MAX.unsigned_abs().into()).to_string();
        let mut all: Vec<Parameter> = Vec::with_capacity(parameters.len() + 3);
        all.push((owner.id(), owner.id().postgres_type()));
        all.extend([(&commit_by as &(dyn ToSql + Sync), Type::TIMESTAMPTZ), (&lock_timeout, Type::TEXT)]);
        all.extend(parameters.iter().cloned());
        let answer = Answer::of(self.send(client, call, &all).await?)?;
        self.clock.set(answer.field(1)?);
        Ok(answer)
    }

    /// A connection, and `end` by the clock of its server.
    async fn connection_for_write(&self, end: Instant) -> Result<(Object, DateTime<Utc>), DbError> {
        loop {
            let connected = timeout_at(request_scope::deadline(), self.connection()).await;
            let client = connected.unwrap_or(Err(DbError::Deadline))?;
            if let Some(end) = self.clock.to_server_time(end) {
                return Ok((client, end));
            }
            // The connection was opened for this request.
            drop(client);
            self.clock.read(&self.read_twice(CLOCK, &[]).await.map_err(DbError::before_sending)?)?;
        }
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

    /// Calls a function that only reads.
    async fn read_only(&self, call: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, DbError> {
        let started = Instant::now();
        let result = self.read_twice(call, parameters).await;
        request_scope::note_database_time(started.elapsed());
        result
    }

    /// Sends a call that changes nothing, a second time when the first was of no consequence.
    async fn read_twice(&self, call: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, DbError> {
        let deadline = request_scope::deadline();
        let attempt = async || {
            let client = timeout_at(deadline, self.connection()).await.unwrap_or(Err(DbError::Deadline))?;
            self.send(client, call, parameters).await
        };
        match attempt().await {
            Err(error) if error.is_rolled_back() || error.is_lost_connection() => {
                telemetry::warn("a read is repeated", &error);
                attempt().await
            }
            result => result,
        }
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
}
