//! All configuration: the environment variables, read once at start.
//!
//! If a variable is missing or wrong, the function stops with one line that names the variable. The line never shows
//! the value, which may be a secret.

mod auth;
mod origins;
mod postgres;
mod users_table;

use std::{collections::BTreeMap, fmt};

use lambda_http::http::Uri;

pub use auth::Auth;
pub use origins::Origins;
pub use users_table::UsersTable;

use crate::user_id::UserIds;

/// The secret that `cargo xtask dev` and the sample events sign with. It is public, so a function
/// that runs on AWS refuses it.
pub const DEVELOPMENT_SECRET: &str = "development-only-secret-never-deploy-this";

/// The shortest secret accepted for HS256, in bytes: the size of the hash
/// ([RFC 7518, section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
pub const MIN_SECRET_BYTES: usize = 32;

/// The variable that is missing or wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

impl ConfigError {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self { variable, problem: problem.into() }
    }

    /// The error for a `DATABASE_URL` with settings that do not work.
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

/// The environment variables of a function.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process. Variables that are not UTF-8 count as missing.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable. An empty variable counts as missing, because an empty parameter of the template
    /// becomes an empty variable.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable that a person may have pasted. A line feed at its end, which `echo` adds, is an
    /// error: it would become part of a secret or of a name.
    fn text(&self, name: &'static str) -> Result<Option<&str>, ConfigError> {
        match self.get(name) {
            Some(text) if text.ends_with(['\n', '\r']) => {
                Err(ConfigError::new(name, "has a line feed at its end: write it with printf '%s', not with echo"))
            }
            text => Ok(text),
        }
    }

    /// Requires `AWS_LAMBDA_RUNTIME_API`, which Lambda sets. A function started by hand gets no requests.
    ///
    /// # Errors
    /// When it is missing.
    pub fn runtime_api(&self) -> Result<(), ConfigError> {
        let name = "AWS_LAMBDA_RUNTIME_API";
        let problem = "is missing; run this under Lambda or `cargo lambda watch`";
        self.get(name).map(drop).ok_or_else(|| ConfigError::new(name, problem))
    }

    /// `AWS_LAMBDA_MAX_CONCURRENCY`: how many requests Lambda sends to an environment at once. That is one, except
    /// on [Managed Instances](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html).
    #[must_use]
    pub fn concurrency(&self) -> usize {
        let set = self.get("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|text| text.parse().ok());
        set.unwrap_or(1).max(1)
    }

    /// Whether this runs on AWS. AWS sets `LAMBDA_TASK_ROOT`, and `cargo lambda watch` does not.
    fn is_on_aws(&self) -> bool {
        self.get("LAMBDA_TASK_ROOT").is_some()
    }

    /// `MAX_TASKS_PER_USER`: the maximum number of tasks of a user, by default 10,000.
    ///
    /// # Errors
    /// When it is not a whole number from 1 to 1,000,000.
    pub fn max_tasks_per_user(&self) -> Result<i32, ConfigError> {
        let name = "MAX_TASKS_PER_USER";
        let Some(text) = self.get(name) else { return Ok(10_000) };
        let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
        number.ok_or_else(|| ConfigError::new(name, "must be a whole number from 1 to 1000000"))
    }

    /// `USER_IDS`: the kind of ids that users have, by default `integer`.
    ///
    /// # Errors
    /// When it is not `integer`, `text` or `uuid`.
    pub fn user_ids(&self) -> Result<UserIds, ConfigError> {
        let name = "USER_IDS";
        let Some(text) = self.text(name)? else { return Ok(UserIds::default()) };
        let kind = UserIds::ALL.into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| ConfigError::new(name, "must be integer, text or uuid"))
    }

    /// A variable that must be one of a few words. `None` when it is not set.
    ///
    /// # Errors
    /// When it is another word.
    pub fn choice(&self, name: &'static str, words: &[&str]) -> Result<Option<&str>, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let problem = || ConfigError::new(name, format!("must be one of {}", words.join(", ")));
        if words.contains(&text) { Ok(Some(text)) } else { Err(problem()) }
    }

    /// `METRICS_NAMESPACE`: the CloudWatch namespace of the metrics in the log. Without it, the log has no metrics.
    pub(crate) fn metrics_namespace(&self) -> Option<String> {
        self.get("METRICS_NAMESPACE").map(str::to_owned)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The origin of a URL as a browser spells it (RFC 6454, section 6.2): in lower case, and without the scheme's
/// default port.
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

    pub(super) fn env(variables: &[(&str, &str)]) -> Env {
        variables.iter().copied().collect()
    }

    pub(super) fn problem<T>(result: Result<T, ConfigError>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }
}
