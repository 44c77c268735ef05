//! The keys in a [JWK set](https://www.rfc-editor.org/rfc/rfc7517#section-5) that tokens can be verified with.

use std::fmt;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// The maximum number of keys that are tried on one token. If an issuer gives its keys no ids, each of its tokens
/// may be signed with any key of the algorithm.
const MAX_CANDIDATES: usize = 4;

/// The sizes of RSA keys that are used, in bytes: 2048 to 4096 bits. Smaller keys are too weak
/// ([RFC 7518, section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)), and the library takes no larger
/// keys.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// The size of an Ed25519 key, and of a coordinate of a P-256 key, in bytes.
const KEY_BYTES: usize = 32;

/// A key that tokens can be verified with.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    pub(super) decoding: DecodingKey,
}

impl Key {
    /// Reads the key in a JWK.
    ///
    /// # Errors
    /// Why no token can be verified with it.
    fn from_jwk(value: &Value) -> Result<Self, &'static str> {
        let mut value = value.clone();
        // RFC 9864, section 2.2, gives this algorithm a newer name. The library knows the older name only.
        if let Some(algorithm) = value.get_mut("alg").filter(|algorithm| *algorithm == "Ed25519") {
            *algorithm = "EdDSA".into();
        }
        let jwk = Jwk::deserialize(value).map_err(|_| "it is not a JWK of a kind that is known")?;
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return Err("its use is not sig");
        }
        if common.key_operations.as_ref().is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return Err("its key_ops are without verify");
        }
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| "it is broken")?;
        let bytes = |text: &str| super::encoding::decode(text).map(|bytes| bytes.len());
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
                    Some(_) => return Err("its algorithm is not EdDSA, ES256, RS256 or PS256"),
                }
            }
            (AlgorithmParameters::OctetKey(_), _) => return Err("it is a secret, and a public set has none"),
            (AlgorithmParameters::RSA(_), _) => return Err("it has fewer than 2048 or more than 4096 bits"),
            _ => return Err("its curve or algorithm is not Ed25519 with EdDSA or P-256 with ES256"),
        };
        Ok(Self { id: common.key_id.clone(), algorithms, decoding })
    }
}

/// A set of keys as the issuer published it.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// The JSON document.
    pub(super) published: String,
    /// Why tokens cannot be verified with the other keys of the document.
    pub(super) unusable: Vec<&'static str>,
}

impl KeySet {
    /// Reads a JWK set. Keys that tokens cannot be verified with are skipped, so the result may be empty.
    ///
    /// # Errors
    /// When it is not a JWK set.
    pub(super) fn parse(published: String) -> Result<Self, InvalidKeySet> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_str(&published).map_err(InvalidKeySet)?;
        let (mut keys, mut unusable) = (Vec::new(), Vec::new());
        for key in &document.keys {
            match Key::from_jwk(key) {
                Ok(key) => keys.push(key),
                Err(reason) => unusable.push(reason),
            }
        }
        Ok(Self { keys, published, unusable })
    }

    /// Whether there is no key to verify a token with.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ids (`kid`) of the keys.
    pub(super) fn ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| key.id.as_deref())
    }

    /// The keys that may have signed a token with this key id and algorithm. Without an id, every key of the
    /// algorithm may.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a Key> {
        let fits = move |key: &&Key| id.is_none_or(|id| key.id.as_deref() == Some(id));
        self.keys.iter().filter(fits).filter(move |key| key.algorithms.contains(&algorithm)).take(MAX_CANDIDATES)
    }
}

/// Why a document is not a JWK set.
#[derive(Debug)]
pub(super) struct InvalidKeySet(serde_json::Error);

impl fmt::Display for InvalidKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is not a JWK set")
    }
}

impl std::error::Error for InvalidKeySet {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ED25519: &str = "wmSMDL5yHD_PGHVaSGrfjoUa-GKuvIcXxDPNyhvuHZY";

    #[test]
    fn keys_unusable_are_skipped() {
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
            let set = KeySet::parse(document(json!([key, good]))).unwrap();
            assert_eq!(set.candidates(Some("good"), Algorithm::EdDSA).count(), 1, "{key}");
            assert_eq!(set.unusable.len(), 1, "{key}");
        }
        assert!(KeySet::parse(json!({ "keys": [] }).to_string()).unwrap().is_empty());
        for document in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert!(KeySet::parse(document.to_owned()).is_err(), "{document}");
        }
    }

    #[test]
    fn an_algorithm_may_have_its_newer_name() {
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": "1", "alg": "Ed25519" });
        let set = KeySet::parse(json!({ "keys": [key] }).to_string()).unwrap();
        assert_eq!(set.candidates(Some("1"), Algorithm::EdDSA).count(), 1);
    }
}
