//! What to say where no route is.

use percent_encoding::utf8_percent_encode;

use super::{
    Request,
    request::{UNSAFE, UNSAFE_IN_QUERY},
};
use crate::{Error, routes};

/// The error for a request that no route matches: 405 with the methods that one would, 307 when
/// only a slash at the end is too much, else 404. Without users (`has_users`) there are no routes of theirs.
#[must_use]
pub fn fallback(request: &Request, has_users: bool) -> Error {
    let path = request.path();
    let methods = |path| routes::methods(path, has_users);
    let found: Vec<_> = methods(path);
    if found.contains(&request.method()) {
        // The gateway knows no such route: what only ends like one is none.
        return Error::RouteNotFound;
    }
    if !found.is_empty() {
        return Error::MethodNotAllowed(found.join(", "));
    }
    match path.strip_suffix('/') {
        Some(bare) if !methods(bare).is_empty() => {
            // A path and not a URL: no header of the request has a say in where it leads.
            let mut location = request.address(&utf8_percent_encode(bare, UNSAFE).to_string());
            if !request.raw_query().is_empty() {
                location.push('?');
                location.extend(utf8_percent_encode(request.raw_query(), UNSAFE_IN_QUERY));
            }
            Error::TrailingSlash(location)
        }
        _ => Error::RouteNotFound,
    }
}
