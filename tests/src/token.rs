//! Tokens: good ones, and bad ones of every kind.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

use crate::SECRET;

/// A user's token, valid for an hour.
#[must_use]
pub fn of(user: i32) -> String {
    with(&json!({ "sub": user.to_string(), "exp": now() + 3600 }))
}

/// A token with these claims.
#[must_use]
pub fn with(claims: &Value) -> String {
    signed(&json!({ "alg": "HS256", "typ": "JWT" }), &claims.to_string(), SECRET)
}

/// A token with this header and payload. It is signed with the HMAC that the header names, or not at all if the
/// header names another algorithm.
#[must_use]
pub fn signed(header: &Value, payload: &str, secret: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload.as_bytes()));
    let (key, data) = (secret.as_bytes(), message.as_bytes());
    let signature = match header["alg"].as_str().unwrap_or_default().to_uppercase().as_str() {
        "HS256" => mac::<Hmac<Sha256>>(key, data),
        "HS384" => mac::<Hmac<Sha384>>(key, data),
        "HS512" => mac::<Hmac<Sha512>>(key, data),
        _ => Vec::new(),
    };
    format!("{message}.{}", encode(&signature))
}

/// The Unix time in seconds.
#[must_use]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}
