//! The data of the request that a tokio task works on: its deadline, its user, and the time it spent on the
//! database.
//!
//! The data is task-local, and not a parameter. The code that needs it (the pool's deadline, the fetch of keys, the
//! log line) is far below the handlers. Handlers would only pass it on, and could forget to.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{task_local, time::Instant};

use crate::user_id::UserId;

task_local! {
    static SCOPE: Scope;
}

/// The data of the request that a tokio task works on.
struct Scope {
    deadline: Instant,
    user: Cell<Option<UserId>>,
    database: Cell<Duration>,
}

/// What [`with_request_scope`] measured for a request.
pub(crate) struct RequestStats {
    pub(crate) user_id: Option<UserId>,
    pub(crate) duration: Duration,
    pub(crate) database: Duration,
}

/// Runs `work` for one request. The request must end at `deadline`.
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

/// The deadline of the current request. Outside of a request it is half a minute from now.
pub(crate) fn deadline() -> Instant {
    SCOPE.try_with(|scope| scope.deadline).unwrap_or_else(|_| Instant::now() + Duration::from_secs(30))
}

/// Stores the user of the request for the log.
pub(crate) fn note_user(user: &UserId) {
    // Outside of a request there is no log line to store it for.
    let _ = SCOPE.try_with(|scope| scope.user.set(Some(user.clone())));
}

/// Adds to the database time of the request.
pub(crate) fn note_database_time(spent: Duration) {
    let _ = SCOPE.try_with(|scope| scope.database.set(scope.database.get() + spent));
}

/// How much earlier than Lambda's deadline a request must end. So a request that takes too long gets its 503 before
/// Lambda cuts it off.
const MARGIN: Duration = Duration::from_millis(500);

/// The time limit of an invocation with an unknown deadline: `cargo lambda watch` sends a deadline in 1970.
const NO_DEADLINE: Duration = Duration::from_secs(10);

/// The time that an invocation has left. `deadline_ms` is its deadline in milliseconds of Unix time.
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
