//! [Project Wycheproof](https://github.com/C2SP/wycheproof)'s test vectors of JWS and JWK, for the kinds of keys
//! that this API uses.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    UserIds,
    token::{TokenError, Verifier},
};
use crate::config;

#[derive(Deserialize)]
struct Vectors {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    keys: Vec<Value>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    comment: String,
    valid: bool,
    jws: String,
}

/// Vectors for which another result than Wycheproof's is allowed, and why this verifier has that result.
const OTHERWISE: [(&str, &str); 7] = [
    ("json_web_signature_test/346", "refused: the token says PS384, which the key is not for"),
    ("json_web_signature_test/350", "refused: as 346"),
    ("json_web_signature_test/367", "accepted: it is 357 to the letter, which is valid"),
    ("json_web_signature_test/370", "accepted: as 367"),
    ("json_web_signature_test/372", "refused: RFC 7515, section 2, has no other characters in base64url"),
    ("json_web_signature_test/373", "refused: as 372"),
    ("json_web_key_test/7", "accepted: a weak key of the issuer's own choice is not looked for"),
];

/// A verifier with the keys of a group, or `None` if a deployment could not be configured with them.
fn verifier(keys: &[Value]) -> Option<Verifier> {
    let secret = |key: &Value| URL_SAFE_NO_PAD.decode(key["k"].as_str().unwrap()).unwrap();
    let nothing = config::Auth {
        secret: None,
        jwks_url: None,
        issuer: None,
        audience: None,
        user_ids: UserIds::Integer,
        user_claim: None,
    };
    if let [key] = keys
        && key["kty"] == "oct"
    {
        let secret = Some(secret(key)).filter(|secret| secret.len() >= config::MIN_SECRET_BYTES)?;
        return Some(Verifier::new(&config::Auth { secret: Some(secret), ..nothing }));
    }
    Verifier::with_keys(&json!({ "keys": keys }).to_string(), &nothing)
}

/// Whether the signature is accepted. No payload of a vector has the claims of an access token, so an accepted
/// signature leads to [`TokenError::Claims`].
fn is_signed(verifier: &Verifier, token: &str) -> bool {
    // The timer is for a fetch: a signature that fits no key causes one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    matches!(runtime.block_on(verifier.verify(token)), Ok(_) | Err(TokenError::Claims(_)))
}

#[test]
fn wycheproofs_signatures_and_keys_are_judged_as_they_say() {
    let text = include_str!("../../../tests/data/wycheproof.json");
    let vectors: Vectors = serde_json::from_str(text).unwrap();
    let (mut tried, mut wrong) = (0, Vec::new());
    for group in &vectors.groups {
        let verifier = verifier(&group.keys);
        for vector in &group.tests {
            tried += 1;
            let good = verifier.as_ref().is_some_and(|verifier| is_signed(verifier, &vector.jws));
            let otherwise = OTHERWISE.iter().any(|(id, _)| *id == vector.id);
            if (good != vector.valid) != otherwise {
                wrong.push(format!("{} ({}): {good}", vector.id, vector.comment));
            }
        }
    }
    assert!(tried > 300 && wrong.is_empty(), "{tried} tried\n{}", wrong.join("\n"));
}
