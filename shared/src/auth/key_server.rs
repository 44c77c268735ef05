//! The server that publishes an issuer's keys.

use std::{fmt, time::Duration};

use ureq::Agent;

use crate::web;

/// The time limit of a fetch, from the DNS lookup to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// The largest set of keys that is read, in bytes. It holds some hundred keys.
const MAX_BYTES: u64 = 128 * 1024;

/// The server that publishes an issuer's keys.
pub(super) struct KeyServer {
    url: String,
    agent: Agent,
}

impl KeyServer {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), agent: web::agent(TIMEOUT) }
    }

    /// Fetches the document that the server publishes now.
    ///
    /// # Errors
    /// [`FetchError`], within [`TIMEOUT`].
    pub(super) async fn get(&self) -> Result<String, FetchError> {
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let fetched = tokio::task::spawn_blocking(move || {
            let mut answer = agent.get(&url).header("accept", "application/json").call()?;
            if answer.status() != 200 {
                return Err(ureq::Error::StatusCode(answer.status().as_u16()));
            }
            answer.body_mut().with_config().limit(MAX_BYTES).read_to_string()
        });
        fetched.await.map_err(|_| FetchError::Deadline)?.map_err(|error| match error {
            ureq::Error::StatusCode(404) => FetchError::Absent,
            other => FetchError::Http(other),
        })
    }
}

/// Why a fetch got no keys.
#[derive(Debug)]
pub(super) enum FetchError {
    Http(ureq::Error),
    Absent,
    Deadline,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "the issuer did not answer with its keys",
            Self::Absent => "the issuer has nothing at the address of its keys (404)",
            Self::Deadline => "the deadline came before the issuer's answer",
        })
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http(error) => Some(error),
            Self::Absent | Self::Deadline => None,
        }
    }
}
