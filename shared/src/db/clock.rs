//! The clock of the database server.
//!
//! A write must not begin or commit after its request was answered. Only the server can check that: the statement
//! may reach it late, or it may stand still during the statement. So a write carries its deadline, by the server's
//! own clock. This machine's clock may show any time. It only has to run at the same speed.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use tokio_postgres::Row;

use super::DbError;

/// The tolerance for three errors together: servers behind one address with different clocks, a server's clock that
/// is set forward or back, and drift between the two clocks from one answer to the next. As long as their sum is
/// less, a write never commits after its deadline.
pub const CLOCK_TOLERANCE: Duration = Duration::from_millis(100);

/// Asks for the server's clock, for [`ServerClock::read`].
pub(super) const CLOCK: &str = "SELECT clock_timestamp()";

/// The server's clock as of its latest answer.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Option<Sample>>);

/// The time that the server's clock showed in an answer, and when the answer arrived.
#[derive(Debug, Clone, Copy)]
struct Sample {
    server: DateTime<Utc>,
    received: Instant,
}

impl ServerClock {
    /// Stores the time that the server's clock showed in an answer that has just arrived.
    pub(super) fn set(&self, server: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Sample { server, received: Instant::now() });
    }

    /// Stores the time in the answer to [`CLOCK`], which has just arrived.
    pub(super) fn read(&self, rows: &[Row]) -> Result<(), DbError> {
        let row = rows.first().ok_or(DbError::NoRow)?;
        self.set(row.try_get(0).map_err(|_| DbError::Unreadable(0))?);
        Ok(())
    }

    /// Forgets the clock, because a new connection may lead to another server.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// `instant` by the server's clock, rounded to the early side: the time that the server last told, plus the time
    /// that has passed here since, less [`CLOCK_TOLERANCE`]. The time that the answer took to arrive is not added.
    /// So a write may be refused a little early, and is never committed late. `None` while the clock is not known.
    pub(super) fn to_server_time(&self, instant: Instant) -> Option<DateTime<Utc>> {
        let sample = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let tolerance = TimeDelta::from_std(CLOCK_TOLERANCE).ok()?;
        let since = TimeDelta::from_std(instant.saturating_duration_since(sample.received)).ok()?;
        sample.server.checked_add_signed(since)?.checked_sub_signed(tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_by_the_servers_clock() {
        let clock = ServerClock::default();
        assert_eq!(clock.to_server_time(Instant::now()), None);
        let server = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let before = Instant::now();
        clock.set(server);
        let after = Instant::now();
        let at = clock.to_server_time(after + Duration::from_secs(1)).unwrap();
        let exact = server + Duration::from_secs(1) - CLOCK_TOLERANCE;
        assert!(exact <= at && at <= exact + (after - before), "{at}");
        clock.forget();
        assert_eq!(clock.to_server_time(after), None);
    }
}
