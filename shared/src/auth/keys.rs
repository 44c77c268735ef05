//! The keys in a [JWK set](https://www.rfc-editor.org/rfc/rfc7517#section-5), as far as tokens can be
//! verified with them.

use std::fmt;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

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
#[derive(Debug)]
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
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// The document.
    pub(super) published: String,
}

impl KeySet {
    /// The set in a document. Keys that are of no use here are skipped; a document that has no
    /// other is not a set.
    pub(super) fn parse(published: String) -> Result<Self, Useless> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_str(&published).map_err(Useless::Malformed)?;
        let keys: Vec<_> = document.keys.iter().filter_map(Key::of).collect();
        if keys.is_empty() { Err(Useless::Empty) } else { Ok(Self { keys, published }) }
    }

    /// The keys' own names.
    pub(super) fn ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| key.id.as_deref())
    }

    /// The keys that a token may be signed with that names this key, or none, and this algorithm.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a Key> {
        let fits = move |key: &&Key| id.is_none_or(|id| key.id.as_deref() == Some(id));
        self.keys.iter().filter(fits).filter(move |key| key.algorithms.contains(&algorithm)).take(MAX_CANDIDATES)
    }
}

/// Why a document is no set of keys.
#[derive(Debug)]
pub(super) enum Useless {
    Malformed(serde_json::Error),
    Empty,
}

impl fmt::Display for Useless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(_) => "the answer is not a JWK set",
            Self::Empty => "no key of the set is for signatures with EdDSA, ES256, RS256 or PS256",
        })
    }
}

impl std::error::Error for Useless {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::Empty => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ED25519: &str = "wmSMDL5yHD_PGHVaSGrfjoUa-GKuvIcXxDPNyhvuHZY";

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
            assert!(matches!(KeySet::parse(document(json!([key]))), Err(Useless::Empty)), "{key}");
            let set = KeySet::parse(document(json!([key, good]))).ok().unwrap();
            assert_eq!(set.candidates(Some("good"), Algorithm::EdDSA).count(), 1, "{key}");
        }
    }
}
