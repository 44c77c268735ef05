//! The error for requests that no route matches.

use percent_encoding::utf8_percent_encode;

use super::{
    Request,
    request::{UNSAFE, UNSAFE_IN_QUERY},
};
use crate::{Error, routes};

/// The error for a request that no route matches: 405 if routes match with other methods, 307 if the path only has a
/// slash too much at its end, else 404. Without a users table (`has_users`), the routes of users do not exist.
#[must_use]
pub fn fallback(request: &Request, has_users: bool) -> Error {
    let path = request.path();
    let methods = |path| routes::methods(path, has_users);
    let found: Vec<_> = methods(path);
    if found.contains(&request.method()) {
        // API Gateway did not match this route, so the path only ends like it.
        return Error::RouteNotFound;
    }
    if !found.is_empty() {
        return Error::MethodNotAllowed(found.join(", "));
    }
    match path.strip_suffix('/') {
        Some(bare) if !methods(bare).is_empty() => {
            // A path and not a URL, so that no header of the request decides where the redirect leads.
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
