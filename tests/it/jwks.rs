//! Tokens that are signed with a published key, and tokens that only look like these.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::{
    Api, Request, Response,
    issuer::{Answer, Issuer, SigningKey},
    token,
};

pub(crate) async fn api(issuer: &Issuer) -> Api {
    let api = Api::new().await.trusting(issuer.url());
    api.database.users(&[1, 2]).await;
    api
}

pub(crate) async fn list(api: &Api, token: &str) -> Response {
    api.send(Request::new("GET", "/api/1/tasks").bearer(token)).await
}

/// Repeats a request while its answer has this status, for as long as a cool-down may take.
pub(crate) async fn while_it_is(status: u64, api: &Api, token: &str) -> Response {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let response = list(api, token).await;
        if response.status != status || Instant::now() > end {
            return response;
        }
    }
}

#[tokio::test]
async fn every_kind_of_key_is_good_by_its_own_algorithm() {
    let rsa = [Algorithm::RS256, Algorithm::PS256].map(|algorithm| SigningKey::rsa("1", algorithm));
    for key in rsa.into_iter().chain([SigningKey::ed25519("1"), SigningKey::p256("1")]) {
        let issuer = Issuer::publishing(&[&key]).await;
        let api = api(&issuer).await;
        assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 200, "{}", key.jwk);
        assert_eq!(list(&api, &issuer.token(&key, 2)).await.status, 403, "{}", key.jwk);
        assert_eq!(list(&api, &issuer.token(&key, 3)).await.status, 401, "the user is gone");
        assert_eq!(issuer.fetches(), 1, "at the start, and with no request");
    }
}

/// Tokens that a real Better Auth issued, with every algorithm, and tokens that only look like these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_tokens_are_judged_as_they_say() {
    #[derive(Deserialize)]
    struct Captured {
        base_url: String,
        secret: String,
        samples: Vec<Sample>,
        jwks: Value,
    }
    #[derive(Deserialize)]
    struct Sample {
        name: String,
        jwks: Option<String>,
        accept: Value,
        payload: Value,
        token: String,
    }
    let captured: Captured = serde_json::from_str(&tests::read("tests/data/better-auth-tokens.json")).unwrap();
    let mut judged = 0;
    for sample in captured.samples {
        let set = sample.jwks.as_ref().map(|name| captured.jwks[name].to_string());
        let issuer = Issuer::answering(set.map_or(Answer::Status(404), Answer::Document)).await;
        let api = Api::new().await;
        let api = if sample.jwks.is_some() {
            api.trusting(&captured.base_url).with("JWKS_URL", issuer.url())
        } else {
            api.with("BETTER_AUTH_SECRET", &captured.secret)
                .with("JWT_ISSUER", &captured.base_url)
                .with("JWT_AUDIENCE", &captured.base_url)
        };
        api.database.users(&[1, 2]).await;
        // The access tokens are valid for 15 minutes and have expired.
        let expected = if sample.accept == true { 200 } else { 401 };
        let user = sample.payload["sub"].as_str().unwrap_or("1");
        let response = api.send(Request::new("GET", &format!("/api/{user}/tasks")).bearer(&sample.token)).await;
        let line = api.log().await.pop();
        assert_eq!(response.status, expected, "{}: {} {line:?}", sample.name, response.body);
        judged += 1;
    }
    assert_eq!(judged, 12);
}

#[tokio::test]
async fn look_alikes_are_refused() {
    let (key, other) = (SigningKey::ed25519("1"), SigningKey::ed25519("1"));
    let issuer = Issuer::publishing(&[&key]).await;
    let api = api(&issuer).await;
    let good = issuer.claims(1);
    let claim = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&key.header(), &claims)
    };
    let header = |change: fn(&mut Header)| {
        let mut header = key.header();
        change(&mut header);
        key.sign(&header, &good)
    };
    let public = key.jwk["x"].as_str().unwrap().to_owned();
    let by_public_key =
        |header: &Header| jsonwebtoken::encode(header, &good, &EncodingKey::from_secret(public.as_bytes())).unwrap();
    let hs256 = Header { kid: Some("1".into()), ..Header::new(Algorithm::HS256) };
    let named = |alg: &str| token::signed(&json!({ "alg": alg, "kid": "1" }), &good.to_string(), &public);
    let signed = issuer.token(&key, 1);
    let (message, signature) = signed.rsplit_once('.').unwrap();
    let with_own_key = key.sign(&Header { jwk: serde_json::from_value(other.jwk.clone()).ok(), ..key.header() }, &good);
    let tokens = [
        ("another key of the same name", other.sign(&other.header(), &good)),
        ("an unknown key", header(|header| header.kid = Some("2".into()))),
        ("a key of its own", with_own_key),
        ("an address of keys", header(|header| header.jku = Some("https://evil.example.com/".into()))),
        ("an address of certificates", header(|header| header.x5u = Some("https://evil.example.com/".into()))),
        ("certificates", header(|header| header.x5c = Some(vec!["MIIB".into()]))),
        ("critical extensions", header(|header| header.crit = Some(vec!["exp".into()]))),
        ("HS256 by the public key", by_public_key(&hs256)),
        ("none", named("none")),
        ("None", named("nOnE")),
        ("no signature", format!("{message}.")),
        ("a signature with padding", format!("{signed}=")),
        ("a signature of an algorithm that is not the key's", {
            let other = SigningKey::p256("1");
            other.sign(&other.header(), &good)
        }),
        ("another issuer", claim("iss", json!("https://evil.example.com"))),
        ("no issuer", claim("iss", Value::Null)),
        ("another audience", claim("aud", json!("better-auth:session-cache"))),
        ("no audience", claim("aud", Value::Null)),
        ("audiences without this one", claim("aud", json!(["a", "b"]))),
        ("an id of text", claim("sub", json!("wJ0is9FyTwJVWBMr8XJf3T03F0bGPVcO"))),
        ("an id that is a number", claim("sub", json!(1))),
        ("no expiry", claim("exp", Value::Null)),
        ("expired", claim("exp", json!(token::now() - 60))),
        ("not yet", claim("nbf", json!(token::now() + 60))),
        ("the last digit of the signature", {
            // 64 bytes are 86 digits, and two bits of the last digit have no meaning.
            let last = signature.bytes().last().unwrap();
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let at = digits.iter().position(|digit| *digit == last).unwrap();
            format!("{}{}", &signed[..signed.len() - 1], char::from(digits[at ^ 1]))
        }),
    ];
    for (what, token) in tokens {
        assert_eq!(list(&api, &token).await.status, 401, "{what}: {token}");
    }
    let rsa = SigningKey::rsa("3", Algorithm::RS256);
    issuer.publish(&[&key, &rsa]);
    assert_eq!(while_it_is(401, &api, &issuer.token(&rsa, 1)).await.status, 200);
    let other = Header { alg: Algorithm::PS256, ..rsa.header() };
    assert_eq!(list(&api, &rsa.sign(&other, &good)).await.status, 401, "PS256 by a key for RS256");
    let twice = good.to_string().replacen('{', r#"{"sub":"2","#, 1);
    let twice =
        jsonwebtoken::encode(&key.header(), &serde_json::value::RawValue::from_string(twice).unwrap(), &key.key);
    assert_eq!(list(&api, &twice.unwrap()).await.status, 401, "a claim that is there twice");
    for aud in [json!(issuer.url()), json!(["other", issuer.url()])] {
        assert_eq!(list(&api, &claim("aud", aud)).await.status, 200);
    }
    assert_eq!(list(&api, &header(|header| header.kid = None)).await.status, 200, "a token that names no key");
    assert_eq!(list(&api, &token::of(1)).await.status, 401, "HS256 without a secret");
}

/// RFC 9864 names each curve of EdDSA.
#[tokio::test]
async fn an_algorithm_may_have_its_newer_name() {
    let mut key = SigningKey::ed25519("1");
    key.jwk["alg"] = "Ed25519".into();
    let issuer = Issuer::publishing(&[&key]).await;
    let api = api(&issuer).await;
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = |alg: &str| {
        let message = format!("{}.{}", encode(&json!({ "alg": alg, "kid": "1" })), encode(&issuer.claims(1)));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    };
    for alg in ["EdDSA", "Ed25519"] {
        assert_eq!(list(&api, &signed(alg)).await.status, 200, "{alg}");
    }
    for alg in ["Ed448", "ed25519", "EDDSA"] {
        assert_eq!(list(&api, &signed(alg)).await.status, 401, "{alg}");
    }
}

/// For a set without a usable key, the log says once what is wrong with each key.
#[tokio::test]
async fn a_set_without_a_key_of_use_says_why() {
    let key = SigningKey::ed25519("1");
    let document = json!({ "keys": [
        { "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "1", "alg": "ES384" },
        { "kty": "OKP", "crv": "Ed25519", "x": key.jwk["x"], "use": "enc", "kid": "2" },
    ] });
    let issuer = Issuer::answering(Answer::Document(document.to_string())).await;
    let api = api(&issuer).await;
    for _ in 0..3 {
        assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 401);
    }
    let log = api.log().await;
    let lines: Vec<_> = log.iter().filter(|line| line["message"] == "no key of the issuer is of use").collect();
    assert_eq!((lines.len(), lines[0]["unusable"].as_array().unwrap().len()), (1, 2), "{log:?}");
}

#[tokio::test]
async fn both_kinds_of_tokens_are_good_at_once_each_by_its_own_rules() {
    let key = SigningKey::ed25519("1");
    let issuer = Issuer::publishing(&[&key]).await;
    let api = Api::new().await.with("BETTER_AUTH_URL", issuer.url());
    api.database.users(&[1]).await;
    assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 200);
    assert_eq!(list(&api, &token::with(&issuer.claims(1))).await.status, 200);
    assert_eq!(list(&api, &token::of(1)).await.status, 401, "the issuer is pinned for both");
}

/// A Better Auth that signs with its secret publishes no keys.
#[tokio::test]
async fn with_a_secret_an_issuer_without_keys_is_as_it_should_be() {
    let issuer = Issuer::answering(Answer::Status(404)).await;
    let api = Api::new().await.with("BETTER_AUTH_URL", issuer.url());
    api.database.users(&[1]).await;
    assert_eq!(list(&api, &token::with(&issuer.claims(1))).await.status, 200);
    let key = SigningKey::ed25519("1");
    assert_eq!(list(&api, &issuer.token(&key, 1)).await.status, 401);
}
