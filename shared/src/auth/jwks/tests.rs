//! The cache of keys, with an issuer that answers what a test says.

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
