//! Bearer tokens: HS256 under the secret that Better Auth signs with.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::Caller;
use crate::{Error, Result, config, http::Request};

/// How far the clocks of issuer and API may differ, in seconds.
const LEEWAY: u64 = 5;

/// Verifies bearer tokens.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

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
}

impl Verifier {
    /// A verifier for the tokens that `config` calls good.
    #[must_use]
    pub fn new(config: &config::Auth) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = &config.issuer {
            validation.set_required_spec_claims(&["exp", "sub", "iss", "aud"]);
            validation.set_issuer(&[issuer]);
            validation.set_audience(&[issuer]);
            validation.validate_aud = true;
        }
        Self { key: DecodingKey::from_secret(&config.secret), validation }
    }

    /// The caller of a request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] with the reason for the log.
    pub fn caller(&self, request: &Request) -> Result<Caller> {
        let header = request.header("authorization").ok_or(Error::Unauthenticated("no Authorization header"))?;
        let token = bearer(header).ok_or(Error::Unauthenticated("Authorization is not a bearer token"))?;
        let caller = self.verify(token).map_err(Error::Unauthenticated)?;
        crate::telemetry::note_user(caller);
        Ok(caller)
    }

    fn verify(&self, token: &str) -> std::result::Result<Caller, &'static str> {
        let header = decode_header(token).map_err(|_| "the header of the token is not readable")?;
        // RFC 7515, section 4.1.11: a critical extension must be understood, and this API knows
        // none. The library reads the list and ignores it.
        if header.crit.is_some() {
            return Err("the token has critical extensions");
        }
        let claims = decode::<Claims>(token, &self.key, &self.validation).map_err(|error| reason(&error))?.claims;
        if !claims.exp.is_finite() {
            return Err("exp is not a date");
        }
        Caller::from_subject(&claims.sub)
            .ok_or("sub is not an integer; set advanced.database.generateId to \"serial\" in Better Auth")
    }
}

/// The token of `Bearer <token>`, in any case (RFC 9110, section 11.1), with spaces between. What
/// follows is the token's matter: nothing but base64url and dots is one.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim_matches(' ').split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

fn reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "the signature is wrong",
        ErrorKind::InvalidAlgorithm => "the token is not signed with HS256",
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "iss is not BETTER_AUTH_URL",
        ErrorKind::InvalidAudience => "aud is not BETTER_AUTH_URL",
        ErrorKind::MissingRequiredClaim(_) => "a required claim is missing",
        _ => "the token is malformed",
    }
}
