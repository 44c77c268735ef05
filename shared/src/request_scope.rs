//! What belongs to the request that a task works on: its deadline, its user, and the time it spent on the database.
//!
//! It is local to the task rather than handed on: what needs it (the pool's deadline, the fetch of keys, the log line)
//! is far below the handlers, which would only pass it on, and must not be able to forget it.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{task_local, time::Instant};

use crate::user_id::{IdForLog, UserId};

task_local! {
    static SCOPE: Scope;
}

/// What belongs to the request that a task is working on.
struct Scope {
    deadline: Instant,
    user: Cell<Option<IdForLog>>,
    database: Cell<Duration>,
}

/// What [`with_request_scope`] found out about a request.
pub(crate) struct RequestStats {
    pub(crate) user_id: Option<IdForLog>,
    pub(crate) duration: Duration,
    pub(crate) database: Duration,
}

/// Runs `work` as the work on one request, which has to end at `deadline`.
pub(crate) async fn with_request_scope<T>(deadline: Instant, work: impl Future<Output = T>) -> (T, RequestStats) {
    let started = Instant::now();
    let scope = Scope { deadline, user: Cell::default(), database: Cell::default() };
    SCOPE
        .scope(scope, async {
            let result = work.await;
            let stats = SCOPE.with(|scope| RequestStats {
                user_id: scope.user.take(),
                duration: started.elapsed(),
                database: scope.database.get(),
            });
            (result, stats)
        })
        .await
}

/// When the request that runs now must be done; half a minute from now outside of one.
pub(crate) fn deadline() -> Instant {
    SCOPE.try_with(|scope| scope.deadline).unwrap_or_else(|_| Instant::now() + Duration::from_secs(30))
}

/// Remembers for the log whose request this is.
pub(crate) fn note_user(user: &UserId) {
    // Outside of a request there is nothing to remember it for.
    let _ = SCOPE.try_with(|scope| scope.user.set(Some(user.for_log())));
}

/// Adds to the time that the request spent on the database.
pub(crate) fn note_database_time(spent: Duration) {
    let _ = SCOPE.try_with(|scope| scope.database.set(scope.database.get() + spent));
}

/// What is kept back of an invocation's time to answer in: a request that takes longer gets its
/// 503 before Lambda cuts it off.
const MARGIN: Duration = Duration::from_millis(500);

/// The time for an invocation whose deadline is unknown: `cargo lambda watch` sends one of 1970.
const NO_DEADLINE: Duration = Duration::from_secs(10);

/// The time that is left for an invocation, from its deadline in milliseconds of Unix time.
#[must_use]
pub fn time_left(deadline_ms: u64) -> Duration {
    time_left_at(deadline_ms, SystemTime::now())
}

fn time_left_at(deadline_ms: u64, now: SystemTime) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    let deadline = Duration::from_millis(deadline_ms);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if deadline + DAY < now {
        return NO_DEADLINE;
    }
    deadline.saturating_sub(now).saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_the_invocations_less_the_margin() {
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        assert_eq!(time_left_at(1_800_000_003_000, now), Duration::from_millis(2500));
        assert_eq!(time_left_at(1_800_000_000_100, now), Duration::ZERO);
        assert_eq!(time_left_at(1_799_999_999_000, now), Duration::ZERO);
        assert_eq!(time_left_at(10_000, now), NO_DEADLINE);
        assert_eq!(time_left_at(0, now), NO_DEADLINE);
    }
}
