//! Bearer tokens: HS256 under the secret that Better Auth signs with, and EdDSA, ES256, RS256 and
//! PS256 under the keys that it publishes.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto, errors::ErrorKind};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{Caller, jwks::KeyCache, keys::KeySet};
use crate::{
    Error, Result, config,
    http::{self, Request},
};

/// How far the clocks of issuer and API may differ.
const LEEWAY: Duration = Duration::from_secs(5);

/// The first number of seconds that is no date any more: 2^64.
const DATES_END: f64 = 18_446_744_073_709_551_616.0;

/// The longest token that is looked at, in bytes: Better Auth's default one, with a user's whole row
/// in it, has less than half of that.
const MAX_BYTES: usize = 8 * 1024;

/// Verifies bearer tokens. A token signed with the secret is held to the secret alone, any other
/// to the issuer's keys alone, whatever the token says of itself.
pub struct Verifier {
    secret: Option<DecodingKey>,
    keys: Option<KeyCache>,
    issuer: Option<String>,
    audience: Option<String>,
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

/// The claims that are looked at. The types are the check: a `sub` that is no string or an `nbf`
/// that is no number refuses the token, as does a claim that is there twice. Better Auth signs its
/// session cookies and e-mail links with the same secret; they have no `sub`.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    sub: Cow<'a, str>,
    exp: f64,
    nbf: Option<f64>,
    #[serde(rename = "iat")]
    _iat: Option<f64>,
    #[serde(rename = "jti")]
    _jti: Option<Cow<'a, str>>,
    iss: Option<Value>,
    aud: Option<Value>,
}

/// Why a token is not good: for the log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// It cannot be looked at, or not be good under any key.
    Token(&'static str),
    /// No key that is known made its signature; one that is not known yet may have.
    Signature(&'static str),
    /// Whoever signed it, it is no access token for this API.
    Claims(&'static str),
    /// The issuer has not told its keys yet.
    NoKeys,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Token(reason) | Refusal::Signature(reason) | Refusal::Claims(reason) => {
                Self::Unauthenticated(reason)
            }
            Refusal::NoKeys => Self::NoKeys,
        }
    }
}

type Verdict = Result<Caller, Refusal>;

impl Verifier {
    /// A verifier for the tokens that `config` calls good.
    #[must_use]
    pub fn new(config: &config::Auth) -> Self {
        let may_be_absent = config.secret.is_some();
        Self {
            secret: config.secret.as_deref().map(DecodingKey::from_secret),
            keys: config.jwks_url.as_deref().map(|url| KeyCache::new(url, may_be_absent)),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        }
    }

    /// Fetches the issuer's keys ahead of the first token.
    pub async fn warm_up(&self) {
        if let Some(keys) = &self.keys {
            keys.other_than(None).await;
        }
    }

    /// A verifier with keys that nobody has to fetch; none when the document is no set of keys.
    #[cfg(test)]
    pub(super) fn of_keys(document: &str, config: &config::Auth) -> Option<Self> {
        Some(Self { keys: Some(KeyCache::holding(document)?), ..Self::new(config) })
    }

    /// The caller of a request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] with the reason for the log, and [`Error::NoKeys`] when there is
    /// nothing to hold the token to.
    pub async fn caller(&self, request: &Request) -> Result<Caller> {
        let header =
            request.header(http::Header::Authorization).ok_or(Error::Unauthenticated("no Authorization header"))?;
        let token = bearer(header).ok_or(Error::Unauthenticated("Authorization is not a bearer token"))?;
        let caller = self.judged(token).await?;
        crate::telemetry::note_user(caller);
        Ok(caller)
    }

    pub(super) async fn judged(&self, token: &str) -> Verdict {
        if token.len() > MAX_BYTES {
            return Err(Refusal::Token("the token is longer than any of this API's"));
        }
        let token = Parts::of(token).ok_or(Refusal::Token("the token is not in three parts"))?;
        let header = decode(token.header).ok_or(Refusal::Token("the header of the token is not base64url"))?;
        let header: Header =
            object(&header).ok_or(Refusal::Token("the header of the token is not JSON, or has no algorithm"))?;
        // RFC 7515, section 4.1.11: a critical extension must be understood, and this API knows none.
        if header.crit.is_some() {
            return Err(Refusal::Token("the token has critical extensions"));
        }
        if header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() || header.x5c.is_some() {
            return Err(Refusal::Token("the token brings a key of its own"));
        }
        let algorithm = match &*header.alg {
            "HS256" => {
                let secret = self.secret.as_ref();
                let secret = secret.ok_or(Refusal::Token("the token is HS256, and BETTER_AUTH_SECRET is not set"))?;
                return self.judge(&token, Algorithm::HS256, secret);
            }
            "EdDSA" => Algorithm::EdDSA,
            "ES256" => Algorithm::ES256,
            "RS256" => Algorithm::RS256,
            "PS256" => Algorithm::PS256,
            _ => return Err(Refusal::Token("the algorithm of the token is not HS256, EdDSA, ES256, RS256 or PS256")),
        };
        let keys = self.keys.as_ref();
        let keys = keys.ok_or(Refusal::Token("the token is not HS256, and BETTER_AUTH_URL is not set"))?;
        self.judge_by_issuer(keys, &token, algorithm, header.kid.as_deref()).await
    }

    /// Holds a token to the issuer's keys, and to newer ones when it may have been signed with one
    /// or the keys are old.
    async fn judge_by_issuer(
        &self,
        keys: &KeyCache,
        token: &Parts<'_>,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> Verdict {
        let known = keys.current();
        let judge = |set: &KeySet| self.judge_by_set(set, token, algorithm, key_id);
        let verdict = known.as_ref().map_or(Err(Refusal::NoKeys), |known| judge(known));
        match verdict {
            Ok(_) if !keys.is_old() => return verdict,
            Err(Refusal::Token(_) | Refusal::Claims(_)) => return verdict,
            Ok(_) | Err(Refusal::Signature(_) | Refusal::NoKeys) => {}
        }
        let Some(newer) = keys.other_than(known.as_ref()).await else { return verdict };
        let verdict = judge(&newer);
        if verdict.is_ok() {
            keys.was_of_use();
        }
        verdict
    }

    fn judge_by_set(&self, keys: &KeySet, token: &Parts, algorithm: Algorithm, key_id: Option<&str>) -> Verdict {
        let mut verdict = Err(Refusal::Signature("the issuer has no such key"));
        for key in keys.candidates(key_id, algorithm) {
            verdict = self.judge(token, algorithm, &key.decoding);
            if !matches!(verdict, Err(Refusal::Signature(_))) {
                break;
            }
        }
        verdict
    }

    /// Whether a key made the signature, and if so whether the claims are good.
    fn judge(&self, token: &Parts, algorithm: Algorithm, key: &DecodingKey) -> Verdict {
        match crypto::verify(token.signature, token.message.as_bytes(), key, algorithm) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Signature("the signature is wrong")),
            Err(error) if matches!(error.kind(), ErrorKind::Base64(_)) => {
                return Err(Refusal::Token("the signature is not base64url"));
            }
            Err(_) => return Err(Refusal::Signature("the issuer's key is broken")),
        }
        let payload = decode(token.payload).ok_or(Refusal::Token("the payload of the token is not base64url"))?;
        let claims: Claims =
            object(&payload).ok_or(Refusal::Claims("a claim is missing, there twice or of the wrong type"))?;
        self.check(&claims, SystemTime::now())?;
        Caller::from_subject(&claims.sub).ok_or(Refusal::Claims(
            "sub is not an integer; set advanced.database.generateId to \"serial\" in Better Auth",
        ))
    }

    /// Whether the claims are those of a token for this API at this time
    /// ([RFC 7519, section 4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1)).
    fn check(&self, claims: &Claims, now: SystemTime) -> Result<(), Refusal> {
        let is_date = |seconds: &f64| (0.0..DATES_END).contains(seconds);
        if !is_date(&claims.exp) || !claims.nbf.iter().all(is_date) {
            return Err(Refusal::Claims("exp or nbf is not a date"));
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.as_secs_f64() >= claims.exp + LEEWAY.as_secs_f64() {
            return Err(Refusal::Claims("the token has expired"));
        }
        if claims.nbf.is_some_and(|from| (now + LEEWAY).as_secs_f64() < from) {
            return Err(Refusal::Claims("the token is not valid yet"));
        }
        if let Some(issuer) = &self.issuer
            && claims.iss.as_ref().and_then(Value::as_str) != Some(issuer)
        {
            return Err(Refusal::Claims("iss is not the issuer"));
        }
        if let Some(audience) = &self.audience {
            let is_meant = match &claims.aud {
                Some(Value::String(one)) => one == audience,
                Some(Value::Array(many)) => many.iter().any(|one| one == audience),
                _ => false,
            };
            if !is_meant {
                return Err(Refusal::Claims("aud is not this API's audience"));
            }
        }
        Ok(())
    }
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        Some(Self { header, payload, signature, message })
    }
}

/// The token of `Bearer <token>`, in any case (RFC 9110, section 11.1), with spaces between. What
/// follows is the token's matter: nothing but base64url and dots is one.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim_matches(' ').split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// Decodes a value of a token or key (RFC 7515, section 2).
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Reads a JSON object. Of an array, serde would take the values in the order of the fields.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header as TokenHeader, encode};
    use serde_json::json;

    use super::*;

    fn verifier() -> Verifier {
        let secret = Some(b"a-secret-that-is-just-long-enough".to_vec());
        Verifier::new(&config::Auth { secret, jwks_url: None, issuer: None, audience: None })
    }

    #[test]
    fn a_token_is_good_from_nbf_until_exp_and_five_seconds_around() {
        let claims = |exp: f64, nbf: f64| Claims {
            sub: "1".into(),
            exp,
            nbf: Some(nbf),
            _iat: None,
            _jti: None,
            iss: None,
            aud: None,
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let is_good = |exp, nbf| verifier().check(&claims(exp, nbf), now).is_ok();
        assert!(is_good(995.5, 1005.0));
        assert!(!is_good(995.0, 0.0), "expired");
        assert!(!is_good(2000.0, 1005.5), "not valid yet");
        for no_date in [-1.0, DATES_END, f64::INFINITY, f64::NAN] {
            assert!(!is_good(no_date, 0.0) && !is_good(2000.0, no_date), "{no_date}");
        }
    }

    #[tokio::test]
    async fn header_and_payload_are_objects() {
        let sign = |claims: &Value| {
            let key = EncodingKey::from_secret(b"a-secret-that-is-just-long-enough");
            encode(&TokenHeader::new(Algorithm::HS256), claims, &key).unwrap()
        };
        let object = json!({ "sub": "1", "exp": 1e12 });
        assert!(verifier().judged(&sign(&object)).await.is_ok());
        let array = json!(["1", 1e12, null, null, null, null, null]);
        assert!(matches!(verifier().judged(&sign(&array)).await, Err(Refusal::Claims(_))));
    }
}
