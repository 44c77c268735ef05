//! Configuration: the environment variables, all of them, read once at start.
//!
//! A variable that is missing or wrong stops the function with one line that names it and never
//! shows its value, which may be a secret.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr};

use lambda_http::http::Uri;

/// The secret that `cargo xtask dev` and the sample events sign with. It is public, so a function
/// that runs on AWS refuses it.
pub const DEVELOPMENT_SECRET: &str = "development-only-secret-never-deploy-this";

/// The shortest secret accepted for HS256, in bytes: the size of the hash
/// ([RFC 7518, section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
pub const MIN_SECRET_BYTES: usize = 32;

/// A variable that is missing or wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

impl ConfigError {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self { variable, problem: problem.into() }
    }

    /// The error for a database that cannot be set up as its URL asks.
    pub(crate) fn database(error: &dyn std::error::Error) -> Self {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        Self::new("DATABASE_URL", format!("{error}: {cause}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// The environment variables a function sees.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process. One that is not UTF-8 counts as missing.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; an empty one counts as missing, as a template's empty parameter
    /// becomes an empty variable.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `AWS_LAMBDA_RUNTIME_API`, which Lambda sets: a function started by hand has nobody to talk to.
    ///
    /// # Errors
    /// When it is missing.
    pub fn runtime_api(&self) -> Result<(), ConfigError> {
        let name = "AWS_LAMBDA_RUNTIME_API";
        let problem = "is missing; run this under Lambda or `cargo lambda watch`";
        self.get(name).map(drop).ok_or_else(|| ConfigError::new(name, problem))
    }

    /// `AWS_LAMBDA_MAX_CONCURRENCY`: how many requests Lambda sends an environment at once, which is one
    /// unless it runs on
    /// [Managed Instances](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html).
    #[must_use]
    pub fn concurrency(&self) -> usize {
        let set = self.get("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|text| text.parse().ok());
        set.unwrap_or(1).max(1)
    }

    /// `DATABASE_URL`: where the API's statements run, on Neon the pooled address.
    ///
    /// # Errors
    /// When it is missing or not a URL that tokio-postgres understands.
    pub fn database(&self) -> Result<tokio_postgres::Config, ConfigError> {
        self.postgres("DATABASE_URL")
    }

    /// The address for migrations, which need a session of their own: `DATABASE_URL_UNPOOLED`, or
    /// `DATABASE_URL` without the `-pooler` that marks Neon's pooled host names.
    ///
    /// # Errors
    /// As [`Env::database`].
    pub fn database_unpooled(&self) -> Result<tokio_postgres::Config, ConfigError> {
        if self.get("DATABASE_URL_UNPOOLED").is_some() {
            return self.postgres("DATABASE_URL_UNPOOLED");
        }
        let mut env = self.clone();
        if let Some(url) = env.0.get_mut("DATABASE_URL") {
            *url = url.replacen("-pooler.", ".", 1);
        }
        env.postgres("DATABASE_URL")
    }

    fn postgres(&self, name: &'static str) -> Result<tokio_postgres::Config, ConfigError> {
        let url = self
            .get(name)
            .ok_or_else(|| ConfigError::new(name, "is missing; set it to the postgres:// URL of the database"))?;
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(ConfigError::new(name, "must start with postgres:// or postgresql://"));
        }
        let config = tokio_postgres::Config::from_str(url).map_err(|error| {
            // The source names the parameter that is not understood, never its neighbours.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            ConfigError::new(name, format!("is not a usable URL: {}", cause.unwrap_or_default()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(ConfigError::new(name, "names no host"));
        }
        Ok(config)
    }

    /// `ROW_LEVEL_SECURITY`: whether statements run under a role of their own, to which the database
    /// shows the caller's rows only. On when it is missing.
    ///
    /// # Errors
    /// When it is neither `on` nor `off`.
    pub fn row_level_security(&self) -> Result<bool, ConfigError> {
        let name = "ROW_LEVEL_SECURITY";
        match self.get(name) {
            None | Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(ConfigError::new(name, "must be on or off")),
        }
    }

    /// `MAX_TASKS_PER_USER`: the most tasks that a user may have, 10,000 when it is missing.
    ///
    /// # Errors
    /// When it is no whole number from 1 to 1,000,000.
    pub fn most_tasks(&self) -> Result<i64, ConfigError> {
        let name = "MAX_TASKS_PER_USER";
        let Some(text) = self.get(name) else { return Ok(10_000) };
        let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
        number.ok_or_else(|| ConfigError::new(name, "must be a whole number from 1 to 1000000"))
    }

    /// Whose tokens are good: `BETTER_AUTH_SECRET` for tokens signed with it, `BETTER_AUTH_URL` for
    /// tokens signed with a key of the issuer's, or both.
    ///
    /// Another issuer than Better Auth is named by `JWKS_URL`, `JWT_ISSUER` and `JWT_AUDIENCE`,
    /// each of which stands instead of what `BETTER_AUTH_URL` says.
    ///
    /// # Errors
    /// When there is neither, the secret is too short, a URL is not that of a web server, or its
    /// keys would come unprotected.
    pub fn auth(&self) -> Result<Auth, ConfigError> {
        let secret = self.secret()?;
        let better_auth = self.web_address("BETTER_AUTH_URL")?;
        let origin = better_auth.as_deref().and_then(origin);
        let jwks_url = match self.web_address("JWKS_URL")? {
            Some(url) => Some(url),
            None => better_auth.as_deref().map(jwks_of),
        };
        let issuer = self.get("JWT_ISSUER").map(str::to_owned).or_else(|| origin.clone());
        let audience = self.get("JWT_AUDIENCE").map(str::to_owned).or(origin);
        if secret.is_none() && jwks_url.is_none() {
            let problem = "is missing; set it to the URL of Better Auth, or BETTER_AUTH_SECRET to its secret";
            return Err(ConfigError::new("BETTER_AUTH_URL", problem));
        }
        if jwks_url.is_some() {
            // Whose keys are good for whatever they sign are good for other services' tokens too.
            for (name, value) in [("JWT_ISSUER", &issuer), ("JWT_AUDIENCE", &audience)] {
                if value.is_none() {
                    return Err(ConfigError::new(name, "is missing; JWKS_URL without BETTER_AUTH_URL needs it"));
                }
            }
        }
        Ok(Auth { secret, jwks_url, issuer, audience })
    }

    fn secret(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        const SECRET: &str = "BETTER_AUTH_SECRET";
        let Some(secret) = self.get(SECRET) else { return Ok(None) };
        if secret.len() < MIN_SECRET_BYTES {
            let problem = format!("is shorter than {MIN_SECRET_BYTES} bytes");
            return Err(ConfigError::new(SECRET, problem));
        }
        // LAMBDA_TASK_ROOT is set on AWS and not by `cargo lambda watch`.
        if secret == DEVELOPMENT_SECRET && self.get("LAMBDA_TASK_ROOT").is_some() {
            return Err(ConfigError::new(SECRET, "is the public development secret"));
        }
        Ok(Some(secret.as_bytes().to_vec()))
    }

    /// A URL that keys may be fetched from: whoever can change them on the way can sign tokens.
    fn web_address(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.get(name) else { return Ok(None) };
        let origin =
            origin(url).ok_or_else(|| ConfigError::new(name, "is not an http:// or https:// URL with a host"))?;
        if origin.starts_with("http://") && !is_loopback(&origin) {
            return Err(ConfigError::new(name, "must be https://, except on this machine"));
        }
        Ok(Some(url.to_owned()))
    }

    /// `METRICS_NAMESPACE`: where CloudWatch keeps the metrics in the log; none are there without.
    pub(crate) fn metrics_namespace(&self) -> Option<String> {
        self.get("METRICS_NAMESPACE").map(str::to_owned)
    }

    /// `CORS_ORIGINS`: the origins, separated by commas, whose pages may call the API. None when
    /// it is missing.
    ///
    /// # Errors
    /// When one of them is not an origin as browsers send it: `scheme://host[:port]` in lower
    /// case, without a path. `*` is refused, as it cannot be combined with credentials.
    pub fn cors_origins(&self) -> Result<Vec<String>, ConfigError> {
        let list = self.get("CORS_ORIGINS").unwrap_or_default();
        list.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| match origin(entry) {
                Some(origin) if origin == entry => Ok(origin),
                _ => Err(ConfigError::new(
                    "CORS_ORIGINS",
                    format!("{entry:?} is not an origin such as https://app.example.com"),
                )),
            })
            .collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Whose tokens are good. It has no `Debug`: it holds the secret.
#[derive(Clone)]
pub struct Auth {
    /// The HS256 key, at least [`MIN_SECRET_BYTES`] long; without it no HS256 token is good.
    pub secret: Option<Vec<u8>>,
    /// Where the issuer's public keys are; without it only HS256 tokens are good.
    pub jwks_url: Option<String>,
    /// What `iss` must be. It is `None`, and `iss` not looked at, only when there is no `jwks_url`.
    pub issuer: Option<String>,
    /// What `aud` must be or have among it; `None` as the issuer.
    pub audience: Option<String>,
}

/// Where Better Auth publishes its keys: below its base path, which is `/api/auth` unless the URL
/// has another.
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

/// The origin of a URL as a browser spells it (RFC 6454, section 6.2): lower case, and without
/// the scheme's own port.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let host = authority.host().to_ascii_lowercase();
    match (scheme, authority.port_u16()) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => Some(format!("{scheme}://{host}")),
        (_, Some(port)) => Some(format!("{scheme}://{host}:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        variables.iter().copied().collect()
    }

    fn problem<T>(result: Result<T, ConfigError>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn database_url_is_named_when_it_is_missing_or_wrong() {
        let cases = [
            ("", "DATABASE_URL: is missing"),
            ("mysql://u@h/d", "DATABASE_URL: must start with"),
            ("postgres://u@h/d?sslmode=nonsense", "DATABASE_URL: is not a usable URL"),
            ("postgres://u:secret@h/d?pgbouncer=true", "DATABASE_URL: is not a usable URL"),
            ("postgres:///d", "DATABASE_URL: names no host"),
        ];
        for (url, expected) in cases {
            let message = problem(env(&[("DATABASE_URL", url)]).database());
            assert!(message.starts_with(expected), "{url}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn neons_default_url_is_accepted() {
        let url =
            "postgresql://u:p@ep-a-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require";
        assert!(env(&[("DATABASE_URL", url)]).database().is_ok());
    }

    #[test]
    fn migrations_leave_the_pooler_out() {
        use tokio_postgres::config::Host;
        let pooled = ("DATABASE_URL", "postgres://u@ep-a-1-pooler.eu.neon.tech/d");
        let direct = env(&[pooled]).database_unpooled().map(|config| config.get_hosts().to_vec());
        assert_eq!(direct, Ok(vec![Host::Tcp("ep-a-1.eu.neon.tech".into())]));
        let given = env(&[pooled, ("DATABASE_URL_UNPOOLED", "postgres://u@other/d")]);
        let direct = given.database_unpooled().map(|config| config.get_hosts().to_vec());
        assert_eq!(direct, Ok(vec![Host::Tcp("other".into())]));
    }

    #[test]
    fn secret_is_long_and_not_the_public_one_on_aws() {
        let secret = |value: &str| env(&[("BETTER_AUTH_SECRET", value), ("LAMBDA_TASK_ROOT", "/var/task")]);
        assert!(problem(secret(&"x".repeat(31)).auth()).starts_with("BETTER_AUTH_SECRET: is shorter"));
        assert!(secret(&"x".repeat(32)).auth().is_ok());
        assert!(problem(secret(DEVELOPMENT_SECRET).auth()).contains("public development secret"));
        assert!(env(&[("BETTER_AUTH_SECRET", DEVELOPMENT_SECRET)]).auth().is_ok());
    }

    /// Where the keys are and what `iss` and `aud` must be.
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

    #[test]
    fn cors_origins_are_spelled_as_browsers_do() {
        let origins = |list| env(&[("CORS_ORIGINS", list)]).cors_origins();
        assert_eq!(origins(""), Ok(vec![]));
        assert_eq!(origins("http://a:3000, https://b"), Ok(vec!["http://a:3000".into(), "https://b".into()]));
        for wrong in ["*", "null", "https://b/", "https://B", "https://b:443", "b"] {
            assert!(problem(origins(wrong)).starts_with("CORS_ORIGINS: "), "{wrong}");
        }
    }
}
