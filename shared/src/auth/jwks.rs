//! The issuer's public keys. They are fetched when a token needs them, and kept for the life of the execution
//! environment.
//!
//! A token whose key is not in the cache may be signed with a key that the issuer has published since. So the token
//! is refused only when a fetch that began after the token arrived lacks its key too. The token may wait for that
//! fetch. If it cannot have such a fetch, because [`MAX_WAITS`] tokens wait already or the issuer does not answer,
//! the error asks the client to try again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    key_server::{FetchError, KeyServer, TIMEOUT},
    keys::KeySet,
};
use crate::{request_scope, telemetry};

/// The time limit of a fetch that replaces old keys. It is short, because a request waits for the fetch although the
/// old keys are still good.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// The minimum time between the starts of two fetches. This limits how often an environment asks the issuer when a
/// client sends made-up key ids. It is also the longest that a token waits for a fetch to begin.
const COOL_DOWN: Duration = Duration::from_secs(1);

/// The same after a fetch that failed.
const COOL_DOWN_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The same while there are no keys at all. It is short, because no token can be verified then.
const COOL_DOWN_WITHOUT_KEYS: Duration = Duration::from_secs(1);

/// How many tokens in a row may wait for a fetch, and after how long one more token may. Without a limit, a client
/// that sends made-up key ids would occupy as many environments as it sends requests per second.
const MAX_WAITS: u32 = 10;
const WAITS_REFILL: Duration = Duration::from_secs(10);

/// The age at which the next good token has the keys fetched again. So a key that the issuer withdraws stays good
/// for this long.
const MAX_AGE: Duration = Duration::from_mins(10);

/// The pause after such a fetch failed. Until it ends, the old keys stay good and are not fetched again.
const REFRESH_DELAY: Duration = Duration::from_mins(1);

/// The maximum age of the keys while the issuer cannot be reached. Older keys are not used.
const MAX_AGE_IN_OUTAGE: Duration = Duration::from_hours(1);

/// The keys of one issuer.
pub(super) struct KeyCache {
    issuer: KeyServer,
    /// Whether the issuer may have no set of keys, which is fine when its tokens are HS256.
    may_be_absent: bool,
    cached: Mutex<Cached>,
    /// Held during a fetch. Other requests that need keys wait for it.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Cached {
    keys: Option<Arc<KeySet>>,
    /// When the issuer last confirmed these keys.
    confirmed: Option<Moment>,
    last_fetch: Option<Fetch>,
    /// The earliest time to fetch again keys that are old.
    refresh_after: Option<Instant>,
    /// How many tokens waited lately. The count falls by one every [`WAITS_REFILL`] after `last_wait`.
    waits: u32,
    last_wait: Option<Instant>,
}

/// The fetch that began last.
#[derive(Clone, Copy)]
struct Fetch {
    began: Instant,
    failed: bool,
}

/// A moment by two clocks: the first stands still while the environment is frozen, and the second may be set back.
#[derive(Clone, Copy)]
struct Moment(Instant, SystemTime);

impl Moment {
    fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    fn age(self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

/// The result of looking for newer keys.
pub(super) enum Newer {
    /// Keys other than the known ones.
    Set(Arc<KeySet>),
    /// The issuer has no newer keys.
    None,
    /// The issuer has not answered, or may not be asked yet.
    Unknown,
}

impl KeyCache {
    pub(super) fn new(url: &str, may_be_absent: bool) -> Self {
        Self {
            issuer: KeyServer::new(url),
            may_be_absent,
            cached: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// A cache that was filled just now, with an issuer that cannot be reached.
    #[cfg(test)]
    pub(super) fn with_keys(document: &str) -> Option<Self> {
        let set = KeySet::parse(document.to_owned()).ok()?;
        let cache = Self::new("http://127.0.0.1:1/", false);
        cache.confirm(Some(Arc::new(set)));
        Some(cache)
    }

    /// Fetches the keys before the first token arrives.
    pub(super) async fn warm_up(&self) {
        let _fetching = self.fetching.lock().await;
        self.fetch(None, TIMEOUT).await;
    }

    /// The keys of the last fetch, unless they are older than [`MAX_AGE_IN_OUTAGE`].
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        let cached = self.cached();
        cached.keys.filter(|_| cached.confirmed.is_some_and(|confirmed| confirmed.age() < MAX_AGE_IN_OUTAGE))
    }

    /// Whether the keys are so old that a good token should be verified again with newly fetched keys.
    pub(super) fn are_old(&self) -> bool {
        let cached = self.cached();
        let is_due = cached.refresh_after.is_none_or(|time| time <= Instant::now());
        is_due && cached.confirmed.is_none_or(|confirmed| confirmed.age() >= MAX_AGE)
    }

    /// Fetches keys to replace the `known` ones, which are old. `None` when the issuer has no others or does not
    /// answer within [`REFRESH_TIMEOUT`], or when another request is fetching.
    pub(super) async fn refresh(&self, known: Option<&Arc<KeySet>>) -> Option<Arc<KeySet>> {
        // If another request is fetching already, its fetch is enough.
        let _fetching = self.fetching.try_lock().ok()?;
        self.change(|cached| cached.refresh_after = Some(Instant::now() + REFRESH_DELAY));
        self.fetch(known, REFRESH_TIMEOUT).await;
        self.cached().keys.filter(|_| self.has_others(known))
    }

    /// The keys to use instead of the `known` ones, for a token that arrived at `arrived`.
    pub(super) async fn newer(&self, known: Option<&Arc<KeySet>>, arrived: Instant) -> Newer {
        let Ok(_fetching) = timeout_at(request_scope::deadline(), self.fetching.lock()).await else {
            return Newer::Unknown;
        };
        if !self.has_others(known) && self.may_fetch(arrived).await {
            self.fetch(known, TIMEOUT).await;
        }
        match self.current() {
            Some(keys) if self.has_others(known) => Newer::Set(keys),
            _ if self.cached().last_fetch.is_some_and(|last| last.began >= arrived && !last.failed) => Newer::None,
            _ => Newer::Unknown,
        }
    }

    /// Whether a fetch may begin for a token that arrived at `arrived`. Waits for the cool-down to end, unless too
    /// many tokens have waited for one.
    async fn may_fetch(&self, arrived: Instant) -> bool {
        let cached = self.cached();
        let Some(last) = cached.last_fetch else { return true };
        let next = last.began + cached.cool_down(last.failed);
        if last.began >= arrived || next <= Instant::now() {
            return last.began < arrived;
        }
        let may_wait = !last.failed && self.change(Cached::count_wait);
        may_wait && timeout_at(request_scope::deadline(), sleep_until(next)).await.is_ok()
    }

    /// Whether the cache holds keys other than the `known` ones.
    fn has_others(&self, known: Option<&Arc<KeySet>>) -> bool {
        self.current().is_some_and(|keys| !known.is_some_and(|known| Arc::ptr_eq(known, &keys)))
    }

    /// Fetches the keys and stores the result. The caller holds `fetching`.
    async fn fetch(&self, known: Option<&Arc<KeySet>>, time: Duration) {
        let began = Instant::now();
        // Counts as failed until it succeeds, so a fetch that is abandoned has failed as well.
        self.change(|cached| cached.last_fetch = Some(Fetch { began, failed: true }));
        let end = request_scope::deadline().min(began + time);
        match timeout_at(end, self.issuer.get()).await.unwrap_or(Err(FetchError::Deadline)) {
            Ok(published) if known.is_some_and(|known| known.published == published) => self.confirm(None),
            Ok(published) => match KeySet::parse(published) {
                Ok(set) => {
                    let keys: Vec<_> = set.ids().collect();
                    let message =
                        if set.is_empty() { "no key of the issuer is of use" } else { "new keys of the issuer" };
                    telemetry::info(message, &json!({ "keys": keys, "unusable": set.unusable }));
                    self.confirm(Some(Arc::new(set)));
                }
                Err(error) => telemetry::warn("the issuer's keys cannot be read", &error),
            },
            Err(FetchError::Absent) if self.may_be_absent && self.cached().keys.is_none_or(|keys| keys.is_empty()) => {
                self.confirm(known.is_none().then(Arc::default));
            }
            Err(error) => telemetry::warn("the issuer's keys cannot be fetched", &error),
        }
    }

    /// Stores `set` as the issuer's keys. `None` confirms the keys in the cache.
    fn confirm(&self, set: Option<Arc<KeySet>>) {
        self.change(|cached| {
            cached.keys = set.or(cached.keys.take());
            cached.confirmed = Some(Moment::now());
            cached.refresh_after = None;
            if let Some(last) = &mut cached.last_fetch {
                last.failed = false;
            }
        });
    }

    fn cached(&self) -> Cached {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Cached) -> T) -> T {
        change(&mut self.cached.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cached {
    /// Counts a token that wants to wait. False when too many have waited.
    fn count_wait(&mut self) -> bool {
        let rested = self.last_wait.map_or(u64::MAX, |last| last.elapsed().as_secs() / WAITS_REFILL.as_secs());
        self.waits = self.waits.saturating_sub(u32::try_from(rested).unwrap_or(u32::MAX));
        let may_wait = self.waits < MAX_WAITS;
        if may_wait {
            self.waits += 1;
            self.last_wait = Some(Instant::now());
        }
        may_wait
    }

    /// The minimum time from the start of a fetch to the start of the next.
    fn cool_down(&self, failed: bool) -> Duration {
        match (&self.keys, failed) {
            (None, _) => COOL_DOWN_WITHOUT_KEYS,
            (Some(_), true) => COOL_DOWN_AFTER_FAILURE,
            (Some(_), false) => COOL_DOWN,
        }
    }
}

#[cfg(test)]
mod tests;
