//! The issuer's public keys: fetched from its
//! [JWK set](https://www.rfc-editor.org/rfc/rfc7517#section-5), and kept for the life of the
//! execution environment.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout_at;
use ureq::Agent;

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

/// The most keys that are tried on one token: tokens of an issuer that gives its keys no ids fit
/// all of one algorithm.
const MAX_CANDIDATES: usize = 4;

/// The sizes of RSA keys that are used, in bytes: 2048 to 4096 bits. Fewer are too weak
/// ([RFC 7518, section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)), and more are
/// more than the library takes.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// The size of an Ed25519 key and of a coordinate of P-256, in bytes.
const KEY_BYTES: usize = 32;

/// A key that tokens can be verified with.
pub(super) struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    pub(super) decoding: DecodingKey,
}

impl Key {
    /// The key in a JWK, when it is one for signatures of a kind that this library verifies.
    fn of(value: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(value).ok()?;
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        if common.key_operations.as_ref().is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let bytes = |text: &str| super::token::decode(text).map(|bytes| bytes.len());
        let algorithms: &[Algorithm] = match (&jwk.algorithm, common.key_algorithm) {
            (AlgorithmParameters::OctetKeyPair(pair), None | Some(KeyAlgorithm::EdDSA))
                if pair.curve == EllipticCurve::Ed25519 && bytes(&pair.x) == Some(KEY_BYTES) =>
            {
                &[Algorithm::EdDSA]
            }
            (AlgorithmParameters::EllipticCurve(point), None | Some(KeyAlgorithm::ES256))
                if point.curve == EllipticCurve::P256
                    && [&point.x, &point.y].iter().all(|coordinate| bytes(coordinate) == Some(KEY_BYTES)) =>
            {
                &[Algorithm::ES256]
            }
            (AlgorithmParameters::RSA(rsa), algorithm)
                if bytes(&rsa.n).is_some_and(|size| RSA_BYTES.contains(&size)) =>
            {
                match algorithm {
                    None => &[Algorithm::RS256, Algorithm::PS256],
                    Some(KeyAlgorithm::RS256) => &[Algorithm::RS256],
                    Some(KeyAlgorithm::PS256) => &[Algorithm::PS256],
                    Some(_) => return None,
                }
            }
            // Above all no `oct`: a public set has no secrets in it.
            _ => return None,
        };
        Some(Self { id: common.key_id.clone(), algorithms, decoding: key })
    }
}

/// A set of keys as it was published.
pub(super) struct KeySet {
    keys: Vec<Key>,
    published: String,
}

impl KeySet {
    /// The set in a document. Keys that are of no use here are skipped; a document that has no
    /// other is not a set.
    fn parse(published: String) -> Result<Self, FetchError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_str(&published).map_err(FetchError::Malformed)?;
        let keys: Vec<_> = document.keys.iter().filter_map(Key::of).collect();
        if keys.is_empty() { Err(FetchError::Empty) } else { Ok(Self { keys, published }) }
    }

    /// The keys that a token may be signed with that names this key, or none, and this algorithm.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a Key> {
        let fits = move |key: &&Key| id.is_none_or(|id| key.id.as_deref() == Some(id));
        self.keys.iter().filter(fits).filter(move |key| key.algorithms.contains(&algorithm)).take(MAX_CANDIDATES)
    }
}

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
            Err(FetchError::Absent) if self.may_be_absent => {
                let none = Arc::new(KeySet { keys: Vec::new(), published: String::new() });
                self.change(|cached| _ = cached.keys.get_or_insert(Arc::clone(&none)));
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
                let ids: Vec<_> = set.keys.iter().map(|key| key.id.as_deref()).collect();
                telemetry::info("new keys of the issuer", &json!({ "keys": ids }));
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
    Malformed(serde_json::Error),
    Empty,
    Deadline,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "the issuer did not answer with its keys",
            Self::Absent => "the issuer has nothing at the address of its keys (404)",
            Self::Malformed(_) => "the answer is not a JWK set",
            Self::Empty => "no key of the set is for signatures with EdDSA, ES256, RS256 or PS256",
            Self::Deadline => "the deadline came before the issuer's answer",
        })
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http(error) => Some(error),
            Self::Malformed(error) => Some(error),
            Self::Absent | Self::Empty | Self::Deadline => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const ED25519: &str = "wmSMDL5yHD_PGHVaSGrfjoUa-GKuvIcXxDPNyhvuHZY";

    fn set(id: &str) -> String {
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": id }] }).to_string()
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

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_fetching() {
        let now = SystemTime::now();
        assert!(has_passed(now) && has_passed(now + Duration::from_hours(1)));
        assert!(!has_passed(now + Duration::from_secs(5)));
    }

    #[test]
    fn keys_of_no_use_are_skipped() {
        let good = json!({ "kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "good" });
        let with = |name: &str, value: Value| {
            let mut key = good.clone();
            key[name] = value;
            key
        };
        let useless = [
            json!(null),
            json!("key"),
            json!({ "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "good" }),
            json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "x", "kid": "good" }),
            with("crv", "X25519".into()),
            with("crv", "Ed448".into()),
            with("x", "short".into()),
            with("x", format!("{ED25519}=").into()),
            with("use", "enc".into()),
            with("key_ops", json!(["sign"])),
            with("alg", "ES256".into()),
        ];
        for key in useless {
            let document = |keys: Value| json!({ "keys": keys }).to_string();
            assert!(matches!(KeySet::parse(document(json!([key]))), Err(FetchError::Empty)), "{key}");
            let set = KeySet::parse(document(json!([key, good]))).ok().unwrap();
            assert_eq!(set.candidates(Some("good"), Algorithm::EdDSA).count(), 1, "{key}");
        }
    }
}
