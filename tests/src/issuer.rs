//! An issuer that publishes keys, and signs good and bad tokens with them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::token;

/// The issuer's answer to requests for its keys.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This document.
    Document(String),
    /// This status and nothing else.
    Status(u16),
    /// A redirect to this address.
    Redirect(String),
    /// No answer, for as long as the client waits.
    Silence,
}

/// An issuer with its own address.
pub struct Issuer {
    url: String,
    desk: Arc<Desk>,
    server: JoinHandle<()>,
}

struct Desk {
    answer: Mutex<Answer>,
    fetches: AtomicUsize,
}

impl Issuer {
    /// An issuer that publishes these keys.
    pub async fn publishing(keys: &[&SigningKey]) -> Self {
        Self::answering(document(keys)).await
    }

    /// An issuer that gives this answer.
    pub async fn answering(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the issuer");
        let url = format!("http://{}", listener.local_addr().expect("the issuer's port"));
        let desk = Arc::new(Desk { answer: answer.into(), fetches: AtomicUsize::default() });
        let router = Router::new().fallback(keys).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async { axum::serve(listener, router).await.expect("the issuer") });
        Self { url, desk, server }
    }

    /// The issuer's origin, which is `iss` and `aud` of its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, publishes these keys.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.answer(document(keys));
    }

    /// From now on, gives this answer.
    pub fn answer(&self, answer: Answer) {
        *self.desk.answer.lock().expect("the answer") = answer;
    }

    /// The number of requests for the issuer's keys.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.desk.fetches.load(Ordering::SeqCst)
    }

    /// Claims of a user's access token, valid for an hour.
    #[must_use]
    pub fn claims(&self, user: i32) -> Value {
        let now = token::now();
        json!({ "sub": user.to_string(), "iss": self.url, "aud": self.url, "iat": now, "exp": now + 3600 })
    }

    /// An access token for a user.
    #[must_use]
    pub fn token(&self, key: &SigningKey, user: i32) -> String {
        key.sign(&key.header(), &self.claims(user))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn keys(State(desk): State<Arc<Desk>>) -> Response {
    desk.fetches.fetch_add(1, Ordering::SeqCst);
    let answer = desk.answer.lock().expect("the answer").clone();
    match answer {
        Answer::Document(text) => text.into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answer::Redirect(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Answer::Silence => std::future::pending().await,
    }
}

fn document(keys: &[&SigningKey]) -> Answer {
    let keys: Vec<_> = keys.iter().map(|key| &key.jwk).collect();
    Answer::Document(json!({ "keys": keys }).to_string())
}

/// A key pair.
pub struct SigningKey {
    algorithm: Algorithm,
    id: String,
    /// The private key.
    pub key: EncodingKey,
    /// The public key.
    pub jwk: Value,
}

impl SigningKey {
    /// A new key of Better Auth's default kind.
    #[must_use]
    pub fn ed25519(id: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let x = URL_SAFE_NO_PAD.encode(pair.der_bytes());
        let key = EncodingKey::from_ed_der(&pair.serialize_der());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": id, "x": x });
        Self { algorithm: Algorithm::EdDSA, id: id.into(), key, jwk }
    }

    /// A new key on the curve P-256.
    #[must_use]
    pub fn p256(id: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        // SEC 1, section 2.3.3: an uncompressed point is 4, x, y.
        let (x, y) = pair.der_bytes()[1..].split_at(32);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        let jwk = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": id, "x": x, "y": y });
        Self { algorithm: Algorithm::ES256, id: id.into(), key, jwk }
    }

    /// A new RSA key of 2048 bits, for RS256 or PS256.
    #[must_use]
    pub fn rsa(id: &str, algorithm: Algorithm) -> Self {
        let pair = openssl::rsa::Rsa::generate(2048).expect("a key");
        let [n, e] = [pair.n(), pair.e()].map(|number| URL_SAFE_NO_PAD.encode(number.to_vec()));
        let key = EncodingKey::from_rsa_der(&pair.private_key_to_der().expect("DER"));
        let jwk = json!({ "kty": "RSA", "alg": format!("{algorithm:?}"), "kid": id, "n": n, "e": e });
        Self { algorithm, id: id.into(), key, jwk }
    }

    /// The header of this key's tokens.
    #[must_use]
    pub fn header(&self) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }
    }

    /// A token with these claims.
    #[must_use]
    pub fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).expect("a token")
    }
}
