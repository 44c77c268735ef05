//! Bearer tokens: HS256 signed with Better Auth's secret, or EdDSA, ES256, RS256 and PS256 signed with a key that
//! the issuer publishes.

use std::borrow::Cow;

use jsonwebtoken::{Algorithm, DecodingKey, crypto, errors::ErrorKind};
use serde::{Deserialize, de::IgnoredAny};
use tokio::time::Instant;

use super::{
    Caller,
    claims::ClaimRules,
    encoding::{decode, object},
    jwks::{KeyCache, Newer},
    keys::KeySet,
};
use crate::config;

/// The maximum length of a token, in bytes. By default, Better Auth puts a user's whole row into a token, and such a
/// token is less than half as long.
const MAX_BYTES: usize = 8 * 1024;

/// Verifies bearer tokens. HS256 tokens are verified with the secret only, and tokens of the other algorithms with
/// the issuer's keys only.
pub struct Verifier {
    secret: Option<DecodingKey>,
    keys: Option<KeyCache>,
    claims: ClaimRules,
}

/// The three parts of a token (RFC 7515, section 7.1), not yet decoded.
struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// The signed bytes: header and payload as they were sent.
    message: &'a str,
}

/// The parameters of a token's header that this API reads. Deserializing fails if one of them occurs twice.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    #[serde(rename = "typ")]
    _typ: Option<Cow<'a, str>>,
    #[serde(rename = "cty")]
    _cty: Option<Cow<'a, str>>,
    crit: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
}

/// Why a token was refused, for the log.
#[derive(Debug, Clone, Copy)]
pub enum TokenError {
    /// The token cannot be read, or would be refused whatever key signed it.
    Token(&'static str),
    /// The signature fits none of the known keys. A key that is not known yet may have made it.
    Signature(&'static str),
    /// The signature is good, but the token is not an access token for this API.
    Claims(&'static str),
    /// The issuer's keys are not known, or too old to say that a token is wrong.
    IssuerUnreachable,
}

impl Verifier {
    /// A verifier with the secret, keys and claims of `config`.
    #[must_use]
    pub fn new(config: &config::Auth) -> Self {
        let may_be_absent = config.secret.is_some();
        Self {
            secret: config.secret.as_deref().map(DecodingKey::from_secret),
            keys: config.jwks_url.as_deref().map(|url| KeyCache::new(url, may_be_absent)),
            claims: ClaimRules::new(config),
        }
    }

    /// Fetches the issuer's keys before the first token arrives.
    pub async fn warm_up(&self) {
        if let Some(keys) = &self.keys {
            keys.warm_up().await;
        }
    }

    /// A verifier with the keys in `document`, which need no fetch. `None` if the document is not a JWK set.
    #[cfg(test)]
    pub(super) fn with_keys(document: &str, config: &config::Auth) -> Option<Self> {
        Some(Self { keys: Some(KeyCache::with_keys(document)?), ..Self::new(config) })
    }

    /// The caller that a token names.
    ///
    /// # Errors
    /// Why the token is refused, or that the issuer's keys are not available.
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        if token.len() > MAX_BYTES {
            return Err(TokenError::Token("the token is longer than any of this API's"));
        }
        let token = Parts::split(token).ok_or(TokenError::Token("the token is not in three parts"))?;
        let header = decode(token.header).ok_or(TokenError::Token("the header of the token is not base64url"))?;
        let header: Header =
            object(&header).ok_or(TokenError::Token("the header of the token is not JSON, or has no algorithm"))?;
        // RFC 7515, section 4.1.11: a recipient must refuse critical extensions that it does not know. This API
        // knows none.
        if header.crit.is_some() {
            return Err(TokenError::Token("the token has critical extensions"));
        }
        if header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() || header.x5c.is_some() {
            return Err(TokenError::Token("the token brings a key of its own"));
        }
        let algorithm = match &*header.alg {
            "HS256" => {
                let secret = self.secret.as_ref();
                let secret =
                    secret.ok_or(TokenError::Token("the token is HS256, and BETTER_AUTH_SECRET is not set"))?;
                return self.verify_with_key(&token, Algorithm::HS256, secret);
            }
            // RFC 9864, section 2.2, names each curve of EdDSA. Older issuers say EdDSA.
            "EdDSA" | "Ed25519" => Algorithm::EdDSA,
            "ES256" => Algorithm::ES256,
            "RS256" => Algorithm::RS256,
            "PS256" => Algorithm::PS256,
            _ => {
                return Err(TokenError::Token("the algorithm of the token is not HS256, EdDSA, ES256, RS256 or PS256"));
            }
        };
        let keys = self.keys.as_ref();
        let keys =
            keys.ok_or(TokenError::Token("the token is not HS256, and neither BETTER_AUTH_URL nor JWKS_URL is set"))?;
        self.verify_with_issuer(keys, &token, algorithm, header.kid.as_deref()).await
    }

    /// Verifies a token with the issuer's keys. Fetches newer keys first if the known keys are old, or if the token
    /// may be signed with a newer key.
    async fn verify_with_issuer(
        &self,
        keys: &KeyCache,
        token: &Parts<'_>,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> Result<Caller, TokenError> {
        let arrived = Instant::now();
        let mut known = keys.current();
        let verify = |set: &KeySet| self.verify_with_set(set, token, algorithm, key_id);
        let mut result = known.as_ref().map_or(Err(TokenError::IssuerUnreachable), |known| verify(known));
        if result.is_ok() && keys.are_old() {
            let newer = keys.refresh(known.as_ref()).await;
            return newer.map_or(result, |newer| verify(&newer));
        }
        // A token with bad claims is refused whatever key signed it, so it causes no fetch.
        let may_be_good = decode(token.payload).is_some_and(|payload| self.claims.user(&payload).is_ok());
        if !may_be_good && known.is_some() {
            return result;
        }
        while let Err(TokenError::Signature(_) | TokenError::IssuerUnreachable) = result {
            match keys.newer(known.as_ref(), arrived).await {
                Newer::Set(newer) => {
                    result = verify(&newer);
                    known = Some(newer);
                }
                Newer::None => break,
                Newer::Unknown => return Err(TokenError::IssuerUnreachable),
            }
        }
        result
    }

    fn verify_with_set(
        &self,
        keys: &KeySet,
        token: &Parts,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> Result<Caller, TokenError> {
        let mut result = Err(TokenError::Signature("the issuer has no such key"));
        for key in keys.candidates(key_id, algorithm) {
            result = self.verify_with_key(token, algorithm, &key.decoding);
            if !matches!(result, Err(TokenError::Signature(_))) {
                break;
            }
        }
        result
    }

    /// Verifies the signature with one key, then the claims.
    fn verify_with_key(&self, token: &Parts, algorithm: Algorithm, key: &DecodingKey) -> Result<Caller, TokenError> {
        match crypto::verify(token.signature, token.message.as_bytes(), key, algorithm) {
            Ok(true) => {}
            Ok(false) => return Err(TokenError::Signature("the signature is wrong")),
            Err(error) if matches!(error.kind(), ErrorKind::Base64(_)) => {
                return Err(TokenError::Token("the signature is not base64url"));
            }
            Err(_) => return Err(TokenError::Signature("the issuer's key is broken")),
        }
        let payload = decode(token.payload).ok_or(TokenError::Token("the payload of the token is not base64url"))?;
        self.claims.user(&payload).map(Caller).map_err(TokenError::Claims)
    }
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        Some(Self { header, payload, signature, message })
    }
}
