//! The settings that say which tokens are good.

use std::{collections::BTreeSet, net::IpAddr};

use lambda_http::http::Uri;

use super::{ConfigError, DEVELOPMENT_SECRET, Env, MIN_SECRET_BYTES, origin};
use crate::user_id::UserIds;

/// Secrets that are public: the defaults of Better Auth, of its tests, of FastAPI's tutorial and of Supabase,
/// placeholders in templates, and this project's own.
const KNOWN_SECRETS: [&str; 8] = [
    DEVELOPMENT_SECRET,
    "better-auth-secret-12345678901234567890",
    "better-auth-secret-that-is-long-enough-for-validation-test",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-secret-key-here-min-32-chars-long",
    "your-secret-key-change-this-in-production",
    "your-super-secret-key-change-this-in-production",
];

/// The minimum number of different bytes in a secret. A secret with fewer can be guessed.
const MIN_DIFFERENT_BYTES: usize = 10;

/// Claims that cannot be the id of a user: those that every token has, and the e-mail address, which a user may
/// change.
const NO_USER_CLAIMS: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "email"];

/// The settings that say which tokens are good. The type has no `Debug`, because it holds the secret.
#[derive(Clone)]
pub struct Auth {
    /// The HS256 key, at least [`MIN_SECRET_BYTES`] long. Without it, HS256 tokens are refused.
    pub secret: Option<Vec<u8>>,
    /// The URL of the issuer's public keys. Without it, only HS256 tokens are accepted.
    pub jwks_url: Option<String>,
    /// The required value of `iss`. `None` means that `iss` is not checked, which is possible only without a
    /// `jwks_url`.
    pub issuer: Option<String>,
    /// The required value of `aud`, or of one of its entries. It is `None` only without a `jwks_url`: then a token
    /// that has an `aud` is refused.
    pub audience: Option<String>,
    /// The kind of ids that users have.
    pub user_ids: UserIds,
    /// The claim with the user's id, if it is not `sub`: a name, or names joined with dots.
    pub user_claim: Option<String>,
}

/// The URL of Better Auth's keys: below its base path, which is `/api/auth` unless the URL has a path.
fn jwks_of(better_auth: &str) -> String {
    let url = better_auth.trim_end_matches('/');
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { format!("{url}/jwks") } else { format!("{url}/api/auth/jwks") }
}

/// Whether an origin is on this machine
/// ([RFC 6761, section 6.3](https://www.rfc-editor.org/rfc/rfc6761#section-6.3)).
fn is_loopback(origin: &str) -> bool {
    let host = origin.parse().ok().and_then(|uri: Uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

impl Env {
    /// The token settings: `BETTER_AUTH_SECRET` for tokens signed with the secret, `BETTER_AUTH_URL` for tokens
    /// signed with a key of the issuer, or both.
    ///
    /// `JWKS_URL`, `JWT_ISSUER` and `JWT_AUDIENCE` name another issuer than Better Auth. Each overrides the value
    /// that follows from `BETTER_AUTH_URL`.
    ///
    /// # Errors
    /// When both secret and URL are missing, the secret is too short, a URL is not `http://` or `https://`, or the
    /// keys would be fetched without TLS from another machine.
    pub fn auth(&self) -> Result<Auth, ConfigError> {
        let secret = self.secret()?;
        let better_auth = self.web_address("BETTER_AUTH_URL")?;
        let origin = better_auth.as_deref().and_then(origin);
        let jwks_url = match self.web_address("JWKS_URL")? {
            Some(url) => Some(url),
            None => better_auth.as_deref().map(jwks_of),
        };
        let issuer = self.text("JWT_ISSUER")?.map(str::to_owned).or_else(|| origin.clone());
        let audience = self.text("JWT_AUDIENCE")?.map(str::to_owned).or(origin);
        if secret.is_none() && jwks_url.is_none() {
            let problem = "is missing; set it to the URL of Better Auth, or BETTER_AUTH_SECRET to its secret";
            return Err(ConfigError::new("BETTER_AUTH_URL", problem));
        }
        if jwks_url.is_some() {
            // An issuer's keys may also sign tokens for other services, so issuer and audience must be checked.
            for (name, value) in [("JWT_ISSUER", &issuer), ("JWT_AUDIENCE", &audience)] {
                if value.is_none() {
                    return Err(ConfigError::new(name, "is missing; JWKS_URL without BETTER_AUTH_URL needs it"));
                }
            }
        }
        Ok(Auth { secret, jwks_url, issuer, audience, user_ids: self.user_ids()?, user_claim: self.user_claim()? })
    }

    /// `TOKEN_USER_CLAIM`: the claim with the user's id. `None` stands for `sub`, the default.
    fn user_claim(&self) -> Result<Option<String>, ConfigError> {
        const NAME: &str = "TOKEN_USER_CLAIM";
        let Some(claim) = self.text(NAME)?.filter(|claim| *claim != "sub") else { return Ok(None) };
        if claim.split('.').any(str::is_empty) && !claim.contains("://") {
            return Err(ConfigError::new(NAME, "must be the name of a claim, or names joined with dots, as user.id"));
        }
        if NO_USER_CLAIMS.contains(&claim) || claim.rsplit('.').next() == Some("email") {
            return Err(ConfigError::new(NAME, "must be a claim with the id of a user, which this is not"));
        }
        Ok(Some(claim.to_owned()))
    }

    fn secret(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        const SECRET: &str = "BETTER_AUTH_SECRET";
        let Some(secret) = self.text(SECRET)? else { return Ok(None) };
        if secret.len() < MIN_SECRET_BYTES {
            let problem = format!("is shorter than {MIN_SECRET_BYTES} bytes");
            return Err(ConfigError::new(SECRET, problem));
        }
        if self.is_on_aws() {
            if KNOWN_SECRETS.contains(&secret) {
                return Err(ConfigError::new(
                    SECRET,
                    "is a secret that is public: make one with openssl rand -base64 32",
                ));
            }
            let different: BTreeSet<u8> = secret.bytes().collect();
            if different.len() < MIN_DIFFERENT_BYTES {
                let problem = format!("has fewer than {MIN_DIFFERENT_BYTES} different bytes, which can be guessed");
                return Err(ConfigError::new(SECRET, problem));
            }
        }
        Ok(Some(secret.as_bytes().to_vec()))
    }

    /// A URL to fetch keys from. It must be https, because an attacker who can change the keys on the way can sign
    /// tokens.
    fn web_address(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.text(name)? else { return Ok(None) };
        let origin =
            origin(url).ok_or_else(|| ConfigError::new(name, "is not an http:// or https:// URL with a host"))?;
        if origin.starts_with("http://") && !is_loopback(&origin) {
            return Err(ConfigError::new(name, "must be https://, except on this machine"));
        }
        Ok(Some(url.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{env, problem};

    #[test]
    fn secret_is_long_and_not_the_public_one_on_aws() {
        let secret = |value: &str| env(&[("BETTER_AUTH_SECRET", value), ("LAMBDA_TASK_ROOT", "/var/task")]);
        assert!(problem(secret(&"x".repeat(31)).auth()).starts_with("BETTER_AUTH_SECRET: is shorter"));
        assert!(secret("Zm9yIGEgdGVzdCBvZiB0aGUgY29uZmlndXJh").auth().is_ok());
        for known in KNOWN_SECRETS {
            assert!(problem(secret(known).auth()).contains("is public"), "{known}");
        }
        assert!(problem(secret(&"abcdefghi".repeat(4)).auth()).contains("different bytes"));
        assert!(problem(secret("Zm9yIGEgdGVzdCBvZiB0aGUgY29uZmlndXJh\n").auth()).contains("line feed"));
        assert!(env(&[("BETTER_AUTH_SECRET", DEVELOPMENT_SECRET)]).auth().is_ok());
    }

    #[test]
    fn the_claim_of_the_user_is_a_name_or_a_path() {
        let claim = |text| {
            let variables = [("BETTER_AUTH_SECRET", DEVELOPMENT_SECRET), ("TOKEN_USER_CLAIM", text)];
            env(&variables).auth().map(|auth| auth.user_claim)
        };
        assert_eq!(claim(""), Ok(None));
        assert_eq!(claim("sub"), Ok(None));
        for good in ["userId", "user.id", "https://example.com/user_id"] {
            assert_eq!(claim(good), Ok(Some(good.to_owned())));
        }
        for wrong in [".", "user.", ".id", "email", "user.email", "exp", "userId\n"] {
            assert!(problem(claim(wrong)).starts_with("TOKEN_USER_CLAIM: "), "{wrong:?}");
        }
    }

    /// The URL of the keys, and the required `iss` and `aud`.
    fn pins(variables: &[(&str, &str)]) -> Result<[Option<String>; 3], ConfigError> {
        env(variables).auth().map(|auth| [auth.jwks_url, auth.issuer, auth.audience])
    }

    #[test]
    fn better_auth_url_says_where_the_keys_are_and_pins_the_origin() {
        let cases = [
            (
                "https://App.example.com:443/api/auth",
                "https://App.example.com:443/api/auth/jwks",
                "https://app.example.com",
            ),
            ("https://app.example.com/", "https://app.example.com/api/auth/jwks", "https://app.example.com"),
            ("http://127.0.0.1:3005", "http://127.0.0.1:3005/api/auth/jwks", "http://127.0.0.1:3005"),
            ("http://[::1]:3005/auth/", "http://[::1]:3005/auth/jwks", "http://[::1]:3005"),
            ("http://auth.localhost", "http://auth.localhost/api/auth/jwks", "http://auth.localhost"),
        ];
        for (url, jwks, origin) in cases {
            let expected = [jwks, origin, origin].map(|text| Some(text.to_owned()));
            assert_eq!(pins(&[("BETTER_AUTH_URL", url)]), Ok(expected), "{url}");
        }
        for wrong in ["app.example.com", "ftp://app.example.com", "https://", "https://u@h", "http://app.example.com"] {
            for name in ["BETTER_AUTH_URL", "JWKS_URL"] {
                assert!(problem(pins(&[(name, wrong)])).starts_with(&format!("{name}: ")), "{wrong}");
            }
        }
    }

    #[test]
    fn another_issuer_is_named_completely() {
        let (jwks, issuer, audience) =
            (("JWKS_URL", "https://i.example/keys"), ("JWT_ISSUER", "https://i.example/"), ("JWT_AUDIENCE", "tasks"));
        let all = |texts: [&str; 3]| Ok(texts.map(|text| Some(text.to_owned())));
        assert_eq!(pins(&[jwks, issuer, audience]), all(["https://i.example/keys", "https://i.example/", "tasks"]));
        let better_auth = ("BETTER_AUTH_URL", "https://app.example");
        let app = "https://app.example";
        assert_eq!(pins(&[better_auth, audience]), all(["https://app.example/api/auth/jwks", app, "tasks"]));
        assert_eq!(pins(&[better_auth, jwks]), all(["https://i.example/keys", app, app]));
        assert!(problem(pins(&[jwks, audience])).starts_with("JWT_ISSUER: is missing"));
        assert!(problem(pins(&[jwks, issuer])).starts_with("JWT_AUDIENCE: is missing"));
        assert!(problem(pins(&[issuer, audience])).starts_with("BETTER_AUTH_URL: is missing"));
        let secret = ("BETTER_AUTH_SECRET", DEVELOPMENT_SECRET);
        assert_eq!(pins(&[secret]), Ok([None, None, None]));
    }
}
