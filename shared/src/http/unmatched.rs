//! What to say where no route is.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Request;
use crate::{Error, routes};

/// What a path in a header must not contain literally. `%` is not among it: under
/// `cargo lambda watch` the path is still encoded.
const UNSAFE: &AsciiSet = &UNSAFE_IN_QUERY.add(b'?').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// The same for a query.
const UNSAFE_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// The error for a request that no route matches: 405 with the methods that one would, 307 when
/// only a slash at the end is too much, else 404. Without users (`has_users`) there are no routes of theirs.
#[must_use]
pub fn unmatched(request: &Request, has_users: bool) -> Error {
    let path = request.path();
    let methods = |path| routes::methods(path, has_users);
    let found: Vec<_> = methods(path).collect();
    if !found.is_empty() {
        return Error::MethodNotAllowed(found.join(", "));
    }
    match path.strip_suffix('/') {
        Some(bare) if methods(bare).next().is_some() => {
            // A path and not a URL: no header of the request has a say in where it leads.
            let mut location = utf8_percent_encode(bare, UNSAFE).to_string();
            if !request.raw_query().is_empty() {
                location.push('?');
                location.extend(utf8_percent_encode(request.raw_query(), UNSAFE_IN_QUERY));
            }
            Error::TrailingSlash(location)
        }
        _ => Error::RouteNotFound,
    }
}
