//! Calls of servers on the web: the issuer of tokens, and AWS.

use std::time::Duration;

use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig, TlsProvider},
};

/// Calls over TLS that trust Mozilla's roots, which are in the binary: what the database's
/// certificate is held to (`SSL_CERT_FILE`) is for the database alone. It is OpenSSL all the same,
/// as a second TLS library would be a quarter of a function's size.
///
/// A call takes no longer than `timeout`, from the name's address to the last byte. It follows no
/// redirect and keeps no connection, which would be dead after a freeze.
#[must_use]
pub fn agent(timeout: Duration) -> Agent {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::WebPki).build();
    Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .proxy(None)
        .max_idle_connections(0)
        .user_agent("task-api")
        .build()
        .into()
}
