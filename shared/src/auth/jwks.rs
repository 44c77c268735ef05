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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use jsonwebtoken::Algorithm;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn set(id: &str) -> String {
        let x = "wmSMDL5yHD_PGHVaSGrfjoUa-GKuvIcXxDPNyhvuHZY";
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id }] }).to_string()
    }

    /// An issuer with a new key in each answer. Returns its address and the number of requests that it got.
    async fn issuer() -> (String, Arc<AtomicUsize>) {
        serve(|count| Some(set(&count.to_string()))).await
    }

    /// An issuer that always publishes the same document, or answers 404 when the document is empty.
    async fn publishing(document: &'static str) -> (String, Arc<AtomicUsize>) {
        serve(move |_| (!document.is_empty()).then(|| document.to_owned())).await
    }

    async fn serve(document: impl Fn(usize) -> Option<String> + Send + 'static) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let fetches = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = document(count.fetch_add(1, Ordering::SeqCst));
                let _ = stream.read(&mut [0; 4096]).await;
                let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
                let body = body.unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        (url, fetches)
    }

    fn known(newer: Newer) -> Arc<KeySet> {
        let Newer::Set(set) = newer else { panic!("no set") };
        set
    }

    /// Moves the last fetch, and the last confirmation of the keys, back by `age`.
    fn age(cache: &KeyCache, age: Duration) {
        let before = |now: Instant| now.checked_sub(age).unwrap();
        cache.change(|cached| {
            cached.confirmed = Some(Moment(before(Instant::now()), SystemTime::now() - age));
            cached.last_fetch = cached.last_fetch.map(|last| Fetch { began: before(last.began), ..last });
        });
    }

    #[tokio::test]
    async fn whoever_waits_shares_one_fetch() {
        let (url, fetches) = issuer().await;
        let cache = KeyCache::new(&url, false);
        let arrived = Instant::now();
        let sets = join_all((0..50).map(|_| cache.newer(None, arrived))).await;
        assert!(sets.into_iter().all(|set| known(set).candidates(Some("0"), Algorithm::EdDSA).count() == 1));
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }

    /// A fetch that another token caused is no reason to refuse this token: it waits for its own fetch.
    #[tokio::test]
    async fn a_token_is_refused_after_a_fetch_that_began_when_it_was_there() {
        let (url, fetches) = issuer().await;
        let cache = KeyCache::new(&url, false);
        let first = known(cache.newer(None, Instant::now()).await);
        let arrived = Instant::now();
        let began = cache.cached().last_fetch.unwrap().began;
        let second = known(cache.newer(Some(&first), arrived).await);
        assert!(began.elapsed() >= COOL_DOWN, "the issuer is asked no more often");
        assert_eq!(second.candidates(Some("1"), Algorithm::EdDSA).count(), 1);
        assert!(matches!(cache.newer(Some(&second), arrived).await, Newer::None), "that was its fetch");
        // A request that holds an older set gets the newest set without a fetch.
        assert!(Arc::ptr_eq(&known(cache.newer(Some(&first), Instant::now()).await), &second));
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn so_many_tokens_wait_and_others_do_not() {
        let (url, fetches) = issuer().await;
        let cache = KeyCache::new(&url, false);
        let first = known(cache.newer(None, Instant::now()).await);
        assert!((0..MAX_WAITS).all(|_| cache.change(Cached::count_wait)));
        assert!(matches!(cache.newer(Some(&first), Instant::now()).await, Newer::Unknown));
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
        cache.change(|cached| cached.last_wait = Instant::now().checked_sub(WAITS_REFILL));
        known(cache.newer(Some(&first), Instant::now()).await);
        assert!(!cache.change(Cached::count_wait), "there was one more");
    }

    #[tokio::test]
    async fn nobody_is_refused_while_the_issuer_is_down() {
        let cache = KeyCache::with_keys(&set("1")).unwrap();
        let known = cache.current();
        let asked = || cache.newer(known.as_ref(), Instant::now());
        assert!(matches!(asked().await, Newer::Unknown));
        let began = cache.cached().last_fetch.unwrap().began;
        assert!(matches!(asked().await, Newer::Unknown));
        assert_eq!(cache.cached().last_fetch.unwrap().began, began, "nor asks again at once");
        age(&cache, COOL_DOWN_AFTER_FAILURE);
        assert!(matches!(asked().await, Newer::Unknown));
        assert_ne!(cache.cached().last_fetch.unwrap().began, began);
    }

    #[tokio::test]
    async fn old_keys_are_good_for_an_hour_of_an_outage() {
        let cache = KeyCache::with_keys(&set("1")).unwrap();
        assert!(!cache.are_old());
        age(&cache, MAX_AGE);
        assert!(cache.are_old());
        let known = cache.current();
        assert!(cache.refresh(known.as_ref()).await.is_none());
        assert!(!cache.are_old(), "the next is tried a little later");
        assert!(cache.current().is_some());
        age(&cache, MAX_AGE_IN_OUTAGE);
        assert!(cache.current().is_none());
        assert!(matches!(cache.newer(None, Instant::now()).await, Newer::Unknown));
    }

    #[tokio::test]
    async fn keys_that_are_withdrawn_are_good_no_more() {
        let (url, _) = publishing(r#"{"keys":[]}"#).await;
        let cache = KeyCache::new(&url, false);
        cache.confirm(Some(Arc::new(KeySet::parse(set("1")).unwrap())));
        let known = cache.current();
        let newer = cache.refresh(known.as_ref()).await.unwrap();
        assert!(newer.is_empty() && cache.current().unwrap().is_empty());
    }

    /// An issuer that is starting may answer 404 for a moment, although it has keys.
    #[tokio::test]
    async fn keys_that_are_there_are_not_given_up_for_none() {
        let (url, _) = publishing("").await;
        let cache = KeyCache::new(&url, true);
        assert!(known(cache.newer(None, Instant::now()).await).is_empty(), "none is as it should be");
        cache.confirm(Some(Arc::new(KeySet::parse(set("1")).unwrap())));
        age(&cache, MAX_AGE);
        let known = cache.current();
        assert!(cache.refresh(known.as_ref()).await.is_none());
        assert_eq!(cache.current().unwrap().ids().collect::<Vec<_>>(), [Some("1")]);
    }

    /// The wall clock tells how long the environment was frozen, but it may be set back.
    #[test]
    fn a_clock_that_was_set_back_does_not_stop_fetching() {
        let hour = Duration::from_hours(1);
        let now = Moment::now();
        assert!(Moment(now.0, now.1 - hour).age() >= hour, "frozen");
        assert!(Moment(now.0.checked_sub(hour).unwrap(), now.1 + 2 * hour).age() >= hour, "set back");
    }
}
