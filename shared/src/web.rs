//! HTTP calls to other servers: the issuer of tokens, and AWS.

use std::time::Duration;

use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig, TlsProvider},
};

/// A client that trusts Mozilla's root certificates, which are in the binary. `SSL_CERT_FILE` applies to the
/// database only. TLS comes from OpenSSL, which the database connection uses too: a second TLS library would add a
/// quarter to the size of a function.
///
/// A call takes at most `timeout`, from the DNS lookup to the last byte. The client follows no redirect. It keeps no
/// connection open, because a connection would be dead after a freeze.
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
