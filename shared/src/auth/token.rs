//! Bearer tokens: HS256 under the secret that Better Auth signs with, and EdDSA, ES256, RS256 and
//! PS256 under the keys that it publishes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode as decode_token, decode_header};
use serde::{Deserialize, de::IgnoredAny};

use super::{Caller, jwks::KeyCache, keys::KeySet};
use crate::{Error, Result, config, http::Request};

/// How far the clocks of issuer and API may differ, in seconds.
const LEEWAY: u64 = 5;

/// The longest token that is looked at, in bytes: Better Auth's default one, with a user's whole row
/// in it, has less than half of that.
const MAX_BYTES: usize = 8 * 1024;

/// Verifies bearer tokens. A token signed with the secret is held to the secret alone, any other
/// to the issuer's keys alone, whatever the token says of itself.
pub struct Verifier {
    secret: Option<DecodingKey>,
    keys: Option<KeyCache>,
    /// One for each of [`ALGORITHMS`].
    validations: Vec<Validation>,
}

/// The algorithms of tokens: that of the secret, and those of keys.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::HS256, Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::PS256];

/// The claims that are looked at. The types are the check: a `sub` that is no string or an `nbf`
/// that is no number refuses the token, as does a claim that is there twice. Better Auth signs its
/// session cookies and e-mail links with the same secret; they have no `sub`.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(rename = "nbf")]
    _nbf: Option<f64>,
    #[serde(rename = "iat")]
    _iat: Option<f64>,
    #[serde(rename = "jti")]
    _jti: Option<String>,
    #[serde(rename = "iss")]
    _iss: Option<IgnoredAny>,
    #[serde(rename = "aud")]
    _aud: Option<IgnoredAny>,
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
            validations: validations(config),
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
        Some(Self { secret: None, keys: Some(KeyCache::holding(document)?), validations: validations(config) })
    }

    /// The caller of a request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] with the reason for the log, and [`Error::NoKeys`] when there is
    /// nothing to hold the token to.
    pub async fn caller(&self, request: &Request) -> Result<Caller> {
        let header = request.header("authorization").ok_or(Error::Unauthenticated("no Authorization header"))?;
        let token = bearer(header).ok_or(Error::Unauthenticated("Authorization is not a bearer token"))?;
        let caller = self.judged(token).await?;
        crate::telemetry::note_user(caller);
        Ok(caller)
    }

    pub(super) async fn judged(&self, token: &str) -> Verdict {
        if token.len() > MAX_BYTES {
            return Err(Refusal::Token("the token is longer than any of this API's"));
        }
        let header = decode_header(token)
            .map_err(|_| Refusal::Token("the header of the token is not readable, or its algorithm not known"))?;
        // RFC 7515, section 4.1.11: a critical extension must be understood, and this API knows
        // none. The library reads the list and ignores it.
        if header.crit.is_some() {
            return Err(Refusal::Token("the token has critical extensions"));
        }
        if header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() || header.x5c.is_some() {
            return Err(Refusal::Token("the token brings a key of its own"));
        }
        match (header.alg, &self.secret, &self.keys) {
            (Algorithm::HS256, Some(secret), _) => self.judge(token, Algorithm::HS256, secret),
            (Algorithm::HS256, None, _) => Err(Refusal::Token("the token is HS256, and BETTER_AUTH_SECRET is not set")),
            (Algorithm::EdDSA | Algorithm::ES256 | Algorithm::RS256 | Algorithm::PS256, _, Some(keys)) => {
                self.judge_by_issuer(keys, token, &header).await
            }
            (_, _, None) => Err(Refusal::Token("the token is not HS256, and BETTER_AUTH_URL is not set")),
            _ => Err(Refusal::Token("the algorithm of the token is not HS256, EdDSA, ES256, RS256 or PS256")),
        }
    }

    /// Holds a token to the issuer's keys, and to newer ones when it may have been signed with one
    /// or the keys are old.
    async fn judge_by_issuer(&self, keys: &KeyCache, token: &str, header: &Header) -> Verdict {
        let known = keys.current();
        let verdict = known.as_ref().map_or(Err(Refusal::NoKeys), |known| self.judge_by_set(known, token, header));
        match verdict {
            Ok(_) if !keys.is_old() => return verdict,
            Err(Refusal::Token(_) | Refusal::Claims(_)) => return verdict,
            Ok(_) | Err(Refusal::Signature(_) | Refusal::NoKeys) => {}
        }
        let Some(newer) = keys.other_than(known.as_ref()).await else { return verdict };
        let verdict = self.judge_by_set(&newer, token, header);
        if verdict.is_ok() {
            keys.was_of_use();
        }
        verdict
    }

    fn judge_by_set(&self, keys: &KeySet, token: &str, header: &Header) -> Verdict {
        let mut verdict = Err(Refusal::Signature("the issuer has no such key"));
        for key in keys.candidates(header.kid.as_deref(), header.alg) {
            verdict = self.judge(token, header.alg, &key.decoding);
            if !matches!(verdict, Err(Refusal::Signature(_))) {
                break;
            }
        }
        verdict
    }

    /// Whether a key made the signature, and if so whether the claims are good.
    fn judge(&self, token: &str, algorithm: Algorithm, key: &DecodingKey) -> Verdict {
        let validation = self.validations.iter().find(|validation| validation.algorithms == [algorithm]);
        let validation = validation.ok_or(Refusal::Token("no token has this algorithm"))?;
        let claims = decode_token::<Claims>(token, key, validation).map_err(|error| refusal(&error))?.claims;
        if !claims.exp.is_finite() {
            return Err(Refusal::Claims("exp is not a date"));
        }
        Caller::from_subject(&claims.sub).ok_or(Refusal::Claims(
            "sub is not an integer; set advanced.database.generateId to \"serial\" in Better Auth",
        ))
    }
}

fn validations(config: &config::Auth) -> Vec<Validation> {
    ALGORITHMS.map(|algorithm| validation(algorithm, config)).into()
}

/// What a token's claims have to be.
fn validation(algorithm: Algorithm, config: &config::Auth) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    if let Some(issuer) = &config.issuer {
        required.push("iss");
        validation.set_issuer(&[issuer]);
    }
    validation.validate_aud = config.audience.is_some();
    if let Some(audience) = &config.audience {
        required.push("aud");
        validation.set_audience(&[audience]);
    }
    validation.set_required_spec_claims(&required);
    validation
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

/// What an error of the library means. It looks at the signature first, then at the claims.
fn refusal(error: &jsonwebtoken::errors::Error) -> Refusal {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => Refusal::Signature("the signature is wrong"),
        ErrorKind::InvalidEcdsaKey
        | ErrorKind::InvalidEddsaKey
        | ErrorKind::InvalidRsaKey(_)
        | ErrorKind::InvalidKeyFormat
        | ErrorKind::Provider(_) => Refusal::Signature("the issuer's key is broken"),
        ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
            Refusal::Claims("a claim is missing, there twice or of the wrong type")
        }
        ErrorKind::MissingRequiredClaim(_) => Refusal::Claims("a required claim is missing"),
        ErrorKind::ExpiredSignature => Refusal::Claims("the token has expired"),
        ErrorKind::ImmatureSignature => Refusal::Claims("the token is not valid yet"),
        ErrorKind::InvalidIssuer => Refusal::Claims("iss is not the issuer"),
        ErrorKind::InvalidAudience => Refusal::Claims("aud is not this API's audience"),
        _ => Refusal::Token("the token is malformed"),
    }
}
