//! Security headers of every answer, as
//! [OWASP](https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers)
//! recommends them for an API.

use super::Response;

const HEADERS: [(&str, &str); 5] = [
    // Answers belong to one user, so only that user's browser may cache them. It must revalidate before it uses
    // them.
    ("cache-control", "private, no-cache"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=63072000"),
    ("x-content-type-options", "nosniff"),
];

/// Adds the security headers that the answer does not have yet.
pub(crate) fn add_security_headers(response: &mut Response) {
    for (name, value) in HEADERS {
        if !response.has_header(name) {
            response.header(name, value);
        }
    }
}
