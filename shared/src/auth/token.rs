//! Bearer tokens: HS256 under the secret that Better Auth signs with, and EdDSA, ES256, RS256 and
//! PS256 under the keys that it publishes.

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

/// The longest token that is looked at, in bytes: Better Auth's default one, with a user's whole row
/// in it, has less than half of that.
const MAX_BYTES: usize = 8 * 1024;

/// Verifies bearer tokens. A token signed with the secret is held to the secret alone, any other
/// to the issuer's keys alone, whatever the token says of itself.
pub struct Verifier {
    secret: Option<DecodingKey>,
    keys: Option<KeyCache>,
    claims: ClaimRules,
}

/// A token in three parts (RFC 7515, section 7.1), none of which has been looked at.
struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What was signed: header and payload as they were sent.
    message: &'a str,
}

/// The header of a token, as far as it is looked at. A parameter that is there twice refuses the
/// token.
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

/// Why a token is not good: for the log.
#[derive(Debug, Clone, Copy)]
pub enum TokenError {
    /// It cannot be read, or not be good under any key.
    Token(&'static str),
    /// No key that is known made its signature; one that is not known yet may have.
    Signature(&'static str),
    /// It is signed, and no access token for this API.
    Claims(&'static str),
    /// The issuer's keys are not known, or not well enough to say that a token is wrong.
    NoKeys,
}

impl Verifier {
    /// A verifier for the tokens that `config` calls good.
    #[must_use]
    pub fn new(config: &config::Auth) -> Self {
        let may_be_absent = config.secret.is_some();
        Self {
            secret: config.secret.as_deref().map(DecodingKey::from_secret),
            keys: config.jwks_url.as_deref().map(|url| KeyCache::new(url, may_be_absent)),
            claims: ClaimRules::new(config),
        }
    }

    /// Fetches the issuer's keys ahead of the first token.
    pub async fn warm_up(&self) {
        if let Some(keys) = &self.keys {
            keys.warm_up().await;
        }
    }

    /// A verifier with keys that nobody has to fetch; none when the document is no set of keys.
    #[cfg(test)]
    pub(super) fn with_keys(document: &str, config: &config::Auth) -> Option<Self> {
        Some(Self { keys: Some(KeyCache::with_keys(document)?), ..Self::new(config) })
    }

    /// The caller whom a token names.
    ///
    /// # Errors
    /// Why it names none, or that the issuer's keys cannot be had.
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        if token.len() > MAX_BYTES {
            return Err(TokenError::Token("the token is longer than any of this API's"));
        }
        let token = Parts::split(token).ok_or(TokenError::Token("the token is not in three parts"))?;
        let header = decode(token.header).ok_or(TokenError::Token("the header of the token is not base64url"))?;
        let header: Header =
            object(&header).ok_or(TokenError::Token("the header of the token is not JSON, or has no algorithm"))?;
        // RFC 7515, section 4.1.11: a critical extension must be understood, and this API knows none.
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
            // RFC 9864, section 2.2, has a name for each curve of EdDSA.
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

    /// Verifies a token with the issuer's keys, and with newer ones when it may have been signed with one
    /// of those, or when the keys are old.
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
        let mut result = known.as_ref().map_or(Err(TokenError::NoKeys), |known| verify(known));
        if result.is_ok() && keys.are_old() {
            let newer = keys.refresh(known.as_ref()).await;
            return newer.map_or(result, |newer| verify(&newer));
        }
        // One that could not be good under any key is not asked about.
        let may_be_good = decode(token.payload).is_some_and(|payload| self.claims.user(&payload).is_ok());
        if !may_be_good && known.is_some() {
            return result;
        }
        while let Err(TokenError::Signature(_) | TokenError::NoKeys) = result {
            match keys.newer(known.as_ref(), arrived).await {
                Newer::Set(newer) => {
                    result = verify(&newer);
                    known = Some(newer);
                }
                Newer::None => break,
                Newer::Unknown => return Err(TokenError::NoKeys),
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

    /// Whether the key made the signature, and if so whether the claims are good.
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
