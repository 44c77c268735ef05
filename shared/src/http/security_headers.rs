//! Headers that every answer has for the sake of security, as
//! [OWASP](https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers)
//! recommends them for an API.

use super::Response;

const HEADERS: [(&str, &str); 5] = [
    // What is one user's is for that user's browser alone, which asks before it shows it again.
    ("cache-control", "private, no-cache"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=63072000"),
    ("x-content-type-options", "nosniff"),
];

/// Adds those that the answer does not have already.
pub(crate) fn add_security_headers(response: &mut Response) {
    for (name, value) in HEADERS {
        if !response.has_header(name) {
            response.header(name, value);
        }
    }
}
