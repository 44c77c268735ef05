//! Issuers that have new keys, or are slow, away or wrong.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jsonwebtoken::Header;
use serde_json::json;
use tests::{
    Api,
    issuer::{Answer, Issuer, SigningKey},
    postgres::{self, Database},
    proxy::Proxy,
};

use crate::jwks::{api, list, while_it_is};

#[tokio::test]
async fn a_new_key_is_fetched_when_it_is_first_used() {
    let (old, new) = (SigningKey::ed25519("1"), SigningKey::ed25519("2"));
    let issuer = Issuer::publishing(&[&old]).await;
    let api = api(&issuer).await;
    assert_eq!(list(&api, &issuer.token(&old, 1)).await.status, 200);
    issuer.publish(&[&old, &new]);
    for key in [&new, &old] {
        assert_eq!(list(&api, &issuer.token(key, 1)).await.status, 200);
    }
    assert_eq!(issuer.fetches(), 2);
    // After a reset of Better Auth's database, "1" is another key.
    let reset = SigningKey::ed25519("1");
    issuer.publish(&[&reset]);
    assert_eq!(list(&api, &issuer.token(&reset, 1)).await.status, 200);
    assert_eq!(list(&api, &issuer.token(&old, 1)).await.status, 401);
}

#[tokio::test]
async fn a_thousand_made_up_keys_are_a_fetch_a_second_and_no_statement() {
    let (key, other) = (SigningKey::ed25519("1"), SigningKey::ed25519("x"));
    let issuer = Issuer::publishing(&[&key]).await;
    let proxy = Proxy::before(postgres::port()).await;
    let database = Database::migrated().await;
    let url = database.url_at(proxy.port());
    let api = Api::over(database, &url).trusting(issuer.url());
    api.database.users(&[1]).await;
    assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 200);
    proxy.forget();
    let started = Instant::now();
    let mut answers = BTreeMap::new();
    for count in 0..1000 {
        let header = Header { kid: Some(format!("made-up-{count}")), ..other.header() };
        *answers.entry(list(&api, &other.sign(&header, &issuer.claims(1))).await.status).or_insert(0) += 1;
    }
    // The first ten wait for their own fetch. After that, the API cannot tell whether a token is bad.
    assert!(answers[&401] >= 10 && answers[&401] + answers[&503] == 1000, "{answers:?}");
    // One fetch at the start, and one in each cool-down of one second.
    let cool_downs = usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    assert!(issuer.fetches() <= 1 + cool_downs, "{} fetches in {:?}", issuer.fetches(), started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(proxy.round_trips(), 0);
    assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 200);
    // A token with a new key is never refused with 401.
    let new = SigningKey::ed25519("2");
    issuer.publish(&[&key, &new]);
    let answer = list(&api, &issuer.token(&new, 1)).await.status;
    assert!([200, 503].contains(&answer), "{answer}");
    assert_eq!(while_it_is(503, &api, &issuer.token(&new, 1)).await.status, 200);
}

#[tokio::test]
async fn keys_are_good_while_the_issuer_is_down() {
    let key = SigningKey::ed25519("1");
    let issuer = Issuer::publishing(&[&key]).await;
    let api = api(&issuer).await;
    assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 200);
    let token = issuer.token(&key, 1);
    issuer.answer(Answer::Status(500));
    assert_eq!(list(&api, &token).await.status, 200);
    let new = SigningKey::ed25519("2");
    assert_eq!(list(&api, &issuer.token(&new, 1)).await.status, 503, "asks for the new key in vain");
    assert_eq!(issuer.fetches(), 2);
    drop(issuer);
    assert_eq!(list(&api, &token).await.status, 200);
}

/// A document that is not a set of keys gives no keys. The answer is 503, because the token may be good.
#[tokio::test]
async fn without_keys_the_answer_is_503_until_there_are_some() {
    let key = SigningKey::ed25519("1");
    let published = Issuer::publishing(&[&key]).await;
    let set = json!({ "keys": [key.jwk] }).to_string();
    let too_large = format!("{}{}", " ".repeat(200 * 1024), set);
    for answer in [
        Answer::Status(500),
        Answer::Status(404),
        Answer::Redirect(published.url().to_owned()),
        Answer::Document("<html>".into()),
        Answer::Document("[]".into()),
        Answer::Document(too_large),
    ] {
        let issuer = Issuer::answering(answer.clone()).await;
        let api = api(&issuer).await;
        let token = issuer.token(&key, 1);
        let response = list(&api, &token).await;
        let expected = json!({ "detail": "Tokens cannot be verified at the moment" });
        assert_eq!((response.status, response.json()), (503, expected), "{answer:.100?}");
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(list(&api, "not.a.token").await.status, 401, "no key makes that good");
        issuer.publish(&[&key]);
        assert_eq!(while_it_is(503, &api, &token).await.status, 200, "{answer:.100?}");
    }
    assert_eq!(published.fetches(), 0, "nobody follows a redirect");
}

/// An issuer without a usable key has answered, so tokens are refused with 401.
#[tokio::test]
async fn without_keys_of_use_no_token_is_good_until_there_are_some() {
    let key = SigningKey::ed25519("1");
    for document in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"1"}]}"#] {
        let issuer = Issuer::answering(Answer::Document(document.into())).await;
        let api = api(&issuer).await;
        let token = issuer.token(&key, 1);
        assert_eq!(list(&api, &token).await.status, 401, "{document}");
        issuer.publish(&[&key]);
        assert_eq!(list(&api, &token).await.status, 200, "{document}");
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_503_within_the_deadline() {
    let key = SigningKey::ed25519("1");
    let issuer = Issuer::answering(Answer::Silence).await;
    let api = api(&issuer).await;
    let event = json!({
        "rawPath": "/api/users/me",
        "headers": { "authorization": format!("Bearer {}", issuer.token(&key, 1)) },
        "requestContext": { "http": { "method": "GET" } },
    });
    let function = api.function("get-me").await;
    // The first request waits for the function's start, which asks the issuer for 3 seconds.
    function.invoke_within(&event, Duration::from_secs(8)).await.unwrap();
    let started = Instant::now();
    let answer = function.invoke_within(&event, Duration::from_secs(2)).await.unwrap();
    assert_eq!(answer["statusCode"], 503);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn keys_unusable_do_not_spoil_the_others() {
    let key = SigningKey::ed25519("1");
    let issuer = Issuer::publishing(&[]).await;
    let strange = json!({ "kty": "EC", "crv": "P-521", "alg": "ES512", "x": "AA", "y": "AA", "kid": "1" });
    issuer.answer(Answer::Document(json!({ "keys": [strange, null, { "kty": "new" }, key.jwk] }).to_string()));
    let api = api(&issuer).await;
    assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 200);
}
