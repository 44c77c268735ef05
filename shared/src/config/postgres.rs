//! The URLs of the database, in the format of libpq
//! ([the manual](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)). A parameter
//! that cannot be honoured is an error.

use std::str::FromStr;

use tokio_postgres::config::{ChannelBinding, Config, SslMode};

use super::{ConfigError, Env};

const URL: &str = "DATABASE_URL";
const UNPOOLED: &str = "DATABASE_URL_UNPOOLED";

/// The parameters that tokio-postgres honours in the same way as libpq.
const HONOURED: [&str; 19] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslmode",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

impl Env {
    /// `DATABASE_URL`: the database for the API's statements. On Neon it is the pooled address.
    ///
    /// # Errors
    /// When it is missing, is not a URL of libpq, or has a parameter that cannot be honoured.
    pub fn database(&self) -> Result<Config, ConfigError> {
        self.postgres(URL)
    }

    /// The database for migrations, which need an unpooled session: `DATABASE_URL_UNPOOLED`, or else `DATABASE_URL`
    /// without the `-pooler` that marks Neon's pooled host names.
    ///
    /// # Errors
    /// As [`Env::database`].
    pub fn database_unpooled(&self) -> Result<Config, ConfigError> {
        if self.get(UNPOOLED).is_some() {
            return self.postgres(UNPOOLED);
        }
        let mut env = self.clone();
        if let Some(url) = env.0.get_mut(URL) {
            *url = url.replacen("-pooler.", ".", 1);
        }
        env.postgres(URL)
    }

    fn postgres(&self, name: &'static str) -> Result<Config, ConfigError> {
        let fail = |problem: String| Err(ConfigError::new(name, problem));
        let Some(url) = self.text(name)? else {
            return fail("is missing; set it to the postgres:// URL of the database".into());
        };
        if url.starts_with("postgresql+") || url.starts_with("postgres+") {
            return fail(
                "is SQLAlchemy's; without the + and what follows it up to the colon it is Postgres' own".into(),
            );
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return fail("must start with postgres:// or postgresql://".into());
        }
        let url = honoured(url).map_err(|problem| ConfigError::new(name, problem))?;
        let config = Config::from_str(&url).map_err(|error| {
            // The source error names the bad parameter, and quotes nothing else of the URL.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            ConfigError::new(name, format!("is not a usable URL: {}", cause.unwrap_or_default()))
        })?;
        if config.get_hosts().is_empty() {
            return fail("names no host".into());
        }
        if config.get_user().is_none() {
            return fail("names no user".into());
        }
        if config.get_channel_binding() == ChannelBinding::Require && config.get_ssl_mode() != SslMode::Require {
            return fail("has channel_binding=require, which needs sslmode=require or verify-full".into());
        }
        if self.is_on_aws() && config.get_ssl_mode() != SslMode::Require {
            // With `prefer`, the default, an attacker on the way can claim that the server has no TLS, and the
            // connection is plain.
            return fail("must have sslmode=require or verify-full on AWS".into());
        }
        Ok(config)
    }
}

/// The URL for tokio-postgres, or the parameter that cannot be honoured.
fn honoured(url: &str) -> Result<String, String> {
    let Some((address, query)) = url.split_once('?') else { return Ok(url.to_owned()) };
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (key, value) {
            // `require` in tokio-postgres checks chain and host name, which is what `verify-full` means in libpq.
            ("sslmode", "verify-full") | ("ssl", "true") => kept.push("sslmode=require"),
            ("sslmode", "verify-ca") => {
                return Err("has sslmode=verify-ca; use verify-full, which checks the host name as well".into());
            }
            // These are the defaults here: the system's certificates are trusted, and GSSAPI is not used.
            ("sslrootcert", "system") | ("gssencmode", "disable" | "prefer") => {}
            ("sslrootcert", _) => {
                return Err("has sslrootcert; set SSL_CERT_FILE to the file with the certificates to trust".into());
            }
            ("target_session_attrs", "read-only") => {
                return Err("has target_session_attrs=read-only, and the API writes".into());
            }
            _ if HONOURED.contains(&key) => kept.push(pair),
            // A key with other characters is part of a password with a `?` that is not encoded.
            _ if key.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_') && pair.contains('=') => {
                return Err(format!("has the parameter {key}, which cannot be honoured: remove it"));
            }
            _ => return Err("has a `?` that begins no parameters: in a password it is written %3F".into()),
        }
    }
    Ok(format!("{address}?{}", kept.join("&")))
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;
    use crate::config::tests::{env, problem};

    #[test]
    fn the_url_is_named_when_it_is_missing_or_wrong() {
        let cases = [
            ("", "DATABASE_URL: is missing"),
            ("mysql://u@h/d", "DATABASE_URL: must start with"),
            ("postgresql+asyncpg://u@h/d", "DATABASE_URL: is SQLAlchemy's"),
            ("postgres://u@h/d\n", "DATABASE_URL: has a line feed at its end"),
            ("postgres://u@h/d?sslmode=nonsense", "DATABASE_URL: is not a usable URL"),
            ("postgres://u@h/d?sslmode=verify-ca", "DATABASE_URL: has sslmode=verify-ca"),
            ("postgres://u@h/d?sslrootcert=/ca.pem", "DATABASE_URL: has sslrootcert"),
            ("postgres://u:secret@h/d?pgbouncer=true", "DATABASE_URL: has the parameter pgbouncer"),
            ("postgres://u:secret@h/d?sslcert=a", "DATABASE_URL: has the parameter sslcert"),
            ("postgres://u:?secret@h/d", "DATABASE_URL: has a `?`"),
            ("postgres://u:p?secret", "DATABASE_URL: has a `?`"),
            ("postgres://u@h/d?target_session_attrs=read-only", "DATABASE_URL: has target_session_attrs"),
            ("postgres://u@h/d?channel_binding=require", "DATABASE_URL: has channel_binding"),
            ("postgres:///d", "DATABASE_URL: names no host"),
            ("postgres://h/d", "DATABASE_URL: names no user"),
        ];
        for (url, expected) in cases {
            let message = problem(env(&[("DATABASE_URL", url)]).database());
            assert!(message.starts_with(expected), "{url}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn what_libpq_honours_is_accepted() {
        for query in [
            "sslmode=require&channel_binding=require",
            "sslmode=verify-full&sslrootcert=system",
            "ssl=true",
            "sslmode=verify-full&channel_binding=require&gssencmode=disable",
            "sslmode=require&sslnegotiation=direct&target_session_attrs=read-write",
            "sslmode=require&options=endpoint%3Dep-a-1&application_name=tasks&connect_timeout=5&keepalives_idle=30",
        ] {
            let url = format!("postgresql://u:p@ep-a-1-pooler.eu-central-1.aws.neon.tech/neondb?{query}");
            let config = env(&[("DATABASE_URL", &url), ("LAMBDA_TASK_ROOT", "/var/task")]).database();
            assert_eq!(config.map(|config| config.get_ssl_mode()), Ok(SslMode::Require), "{query}");
        }
    }

    #[test]
    fn on_aws_the_database_is_reached_over_tls() {
        for (mode, is_good) in [("require", true), ("prefer", false), ("disable", false), ("", false)] {
            let query = if mode.is_empty() { String::new() } else { format!("?sslmode={mode}") };
            let url = format!("postgres://u:secret@h/d{query}");
            let on_aws = env(&[("DATABASE_URL", &url), ("LAMBDA_TASK_ROOT", "/var/task")]).database();
            assert_eq!(on_aws.is_ok(), is_good, "{mode}");
            assert!(env(&[("DATABASE_URL", &url)]).database().is_ok(), "{mode}");
        }
    }

    #[test]
    fn migrations_leave_the_pooler_out() {
        let pooled = ("DATABASE_URL", "postgres://u@ep-a-1-pooler.eu.neon.tech/d");
        let direct = env(&[pooled]).database_unpooled().map(|config| config.get_hosts().to_vec());
        assert_eq!(direct, Ok(vec![Host::Tcp("ep-a-1.eu.neon.tech".into())]));
        let given = env(&[pooled, ("DATABASE_URL_UNPOOLED", "postgres://u@other/d")]);
        let direct = given.database_unpooled().map(|config| config.get_hosts().to_vec());
        assert_eq!(direct, Ok(vec![Host::Tcp("other".into())]));
    }
}
