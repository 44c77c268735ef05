//! The issuer's public keys: fetched when they are needed, and kept for the life of the execution
//! environment.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::json;
use tokio::time::timeout_at;
use ureq::Agent;

use super::keys::KeySet;
use crate::{telemetry, web};

/// How long a fetch may take, from the name's address to the last byte.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The largest set that is read, in bytes: some hundred keys.
const MAX_BYTES: u64 = 128 * 1024;

/// How long after a fetch that was of no use to the token at hand, or failed, there is no other.
/// Whoever sends made-up key ids makes every environment ask the issuer this often, and tokens
/// signed with a key that is newer than such a fetch wait as long.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// The same while there are no keys at all, and so nothing works.
const COOL_DOWN_WITHOUT_KEYS: Duration = Duration::from_secs(1);

/// How old a set may become before a good token makes it fetched again: a key that the issuer
/// withdraws is good that much longer.
const MAX_AGE: Duration = Duration::from_mins(10);

/// How long after such a fetch failed there is no other, while the old keys go on being good.
const RETRY: Duration = Duration::from_mins(1);

/// The keys of one issuer.
pub(super) struct KeyCache {
    url: String,
    /// Whether an issuer without a set of keys is as it should be: its tokens are HS256.
    may_be_absent: bool,
    agent: Agent,
    cached: Mutex<Cached>,
    /// Held while fetching: whoever else needs keys waits for that fetch and has no other.
    fetching: tokio::sync::Mutex<()>,
}

/// Times are by the wall clock: others stand still while the environment is frozen.
#[derive(Clone, Default)]
struct Cached {
    keys: Option<Arc<KeySet>>,
    /// When the keys are old.
    best_before: Option<SystemTime>,
    /// When the next fetch may be.
    not_before: Option<SystemTime>,
}

impl KeyCache {
    pub(super) fn new(url: &str, may_be_absent: bool) -> Self {
        Self {
            url: url.to_owned(),
            may_be_absent,
            agent: web::agent(TIMEOUT),
            cached: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// A cache that was filled just now, by an issuer that cannot be reached.
    #[cfg(test)]
    pub(super) fn holding(document: &str) -> Option<Self> {
        let set = KeySet::parse(document.to_owned()).ok()?;
        let cache = Self::new("http://127.0.0.1:1/", false);
        cache.hold(Arc::new(set));
        Some(cache)
    }

    /// The keys as they were last fetched.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.cached().keys
    }

    /// Whether the keys are so old that a good token should be looked at again with new ones.
    pub(super) fn is_old(&self) -> bool {
        self.cached().best_before.is_some_and(has_passed)
    }

    /// The keys that are in place of `seen` meanwhile, fetched if need be. None when there are no
    /// others, or when it is too early to ask again.
    pub(super) async fn other_than(&self, seen: Option<&Arc<KeySet>>) -> Option<Arc<KeySet>> {
        let _fetching = timeout_at(telemetry::deadline(), self.fetching.lock()).await.ok()?;
        let cached = self.cached();
        if let Some(keys) = &cached.keys
            && !seen.is_some_and(|seen| Arc::ptr_eq(seen, keys))
        {
            return Some(Arc::clone(keys));
        }
        if cached.not_before.is_some_and(|time| !has_passed(time)) {
            return None;
        }
        let cool_down = if cached.keys.is_some() { COOL_DOWN } else { COOL_DOWN_WITHOUT_KEYS };
        // Before the fetch: one that is given up on counts as well.
        self.change(|cached| {
            cached.not_before = Some(SystemTime::now() + cool_down);
            cached.best_before = cached.best_before.map(|time| time.max(SystemTime::now() + RETRY));
        });
        match timeout_at(telemetry::deadline(), self.fetch()).await.unwrap_or(Err(FetchError::Deadline)) {
            Ok(published) if seen.is_some_and(|seen| seen.published == published) => {
                self.change(|cached| cached.best_before = Some(SystemTime::now() + MAX_AGE));
                None
            }
            Ok(published) => {
                let taken = self.take(published);
                // The first keys are of use to whoever comes.
                if seen.is_none() && taken.is_some() {
                    self.was_of_use();
                }
                taken
            }
            Err(FetchError::Absent) if self.may_be_absent && cached.keys.is_none() => {
                let none = Arc::new(KeySet::default());
                self.change(|cached| cached.keys = Some(Arc::clone(&none)));
                Some(none)
            }
            Err(error) => {
                telemetry::warn("the issuer's keys cannot be fetched", &error);
                None
            }
        }
    }

    /// A fetch brought what was needed: the next need not wait for the cool-down.
    pub(super) fn was_of_use(&self) {
        self.change(|cached| cached.not_before = None);
    }

    fn take(&self, published: String) -> Option<Arc<KeySet>> {
        match KeySet::parse(published) {
            Ok(set) => {
                telemetry::info("new keys of the issuer", &json!({ "keys": set.ids().collect::<Vec<_>>() }));
                let set = Arc::new(set);
                self.hold(Arc::clone(&set));
                Some(set)
            }
            Err(error) => {
                telemetry::warn("the issuer's keys are of no use", &error);
                None
            }
        }
    }

    fn hold(&self, set: Arc<KeySet>) {
        self.change(|cached| {
            cached.keys = Some(set);
            cached.best_before = Some(SystemTime::now() + MAX_AGE);
        });
    }

    async fn fetch(&self) -> Result<String, FetchError> {
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let fetched = tokio::task::spawn_blocking(move || {
            let mut answer = agent.get(&url).header("accept", "application/json").call()?;
            if answer.status() != 200 {
                return Err(ureq::Error::StatusCode(answer.status().as_u16()));
            }
            answer.body_mut().with_config().limit(MAX_BYTES).read_to_string()
        });
        fetched.await.map_err(|_| FetchError::Deadline)?.map_err(|error| match error {
            ureq::Error::StatusCode(404) => FetchError::Absent,
            other => FetchError::Http(other),
        })
    }

    fn cached(&self) -> Cached {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Cached)) {
        change(&mut self.cached.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whether a time has come. One that is further away than any this module sets was made by a clock
/// that has been set back since.
fn has_passed(time: SystemTime) -> bool {
    time.duration_since(SystemTime::now()).map_or(true, |left| left.is_zero() || left > MAX_AGE)
}

/// Why there are no new keys.
#[derive(Debug)]
enum FetchError {
    Http(ureq::Error),
    Absent,
    Deadline,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "the issuer did not answer with its keys",
            Self::Absent => "the issuer has nothing at the address of its keys (404)",
            Self::Deadline => "the deadline came before the issuer's answer",
        })
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http(error) => Some(error),
            Self::Absent | Self::Deadline => None,
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

    /// An issuer whose set has another key each time; answers its address and how often it was asked.
    async fn issuer() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let fetches = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = set(&count.fetch_add(1, Ordering::SeqCst).to_string());
                let _ = stream.read(&mut [0; 4096]).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        (url, fetches)
    }

    #[tokio::test]
    async fn whoever_waits_shares_one_fetch() {
        let (url, fetches) = issuer().await;
        let cache = KeyCache::new(&url, false);
        let sets = join_all((0..50).map(|_| cache.other_than(None))).await;
        assert!(sets.iter().all(|set| set.as_ref().unwrap().candidates(Some("0"), Algorithm::EdDSA).count() == 1));
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn there_is_one_fetch_in_a_cool_down_and_another_after_it() {
        let (url, fetches) = issuer().await;
        let cache = KeyCache::new(&url, false);
        let first = cache.other_than(None).await;
        let second = cache.other_than(first.as_ref()).await;
        assert!(cache.other_than(second.as_ref()).await.is_none());
        cache.change(|cached| cached.not_before = Some(SystemTime::now()));
        let third = cache.other_than(second.as_ref()).await.unwrap();
        assert_eq!(third.candidates(Some("2"), Algorithm::EdDSA).count(), 1);
        // Whoever still holds an older set gets the newest without a fetch.
        assert!(cache.other_than(first.as_ref()).await.is_some_and(|set| Arc::ptr_eq(&set, &third)));
        assert_eq!(fetches.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn old_keys_are_good_while_the_issuer_is_down() {
        let cache = KeyCache::holding(&set("1")).unwrap();
        assert!(!cache.is_old());
        cache.change(|cached| cached.best_before = Some(SystemTime::now()));
        assert!(cache.is_old());
        let known = cache.current();
        assert!(cache.other_than(known.as_ref()).await.is_none());
        assert!(!cache.is_old(), "the next is tried a little later");
        assert!(cache.current().is_some());
    }

    /// What an issuer that has keys for other tokens than HS256 says when it is half up.
    #[tokio::test]
    async fn keys_that_are_there_are_not_given_up_for_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let absent = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(absent.as_bytes()).await;
            }
        });
        let cache = KeyCache::new(&url, true);
        assert_eq!(cache.other_than(None).await.unwrap().ids().count(), 0, "none is as it should be");
        cache.hold(Arc::new(KeySet::parse(set("1")).unwrap()));
        cache.change(|cached| (cached.best_before, cached.not_before) = (Some(SystemTime::now()), None));
        let known = cache.current();
        assert!(cache.other_than(known.as_ref()).await.is_none());
        assert_eq!(cache.current().unwrap().ids().collect::<Vec<_>>(), [Some("1")]);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_fetching() {
        let now = SystemTime::now();
        assert!(has_passed(now) && has_passed(now + Duration::from_hours(1)));
        assert!(!has_passed(now + Duration::from_secs(5)));
    }
}
