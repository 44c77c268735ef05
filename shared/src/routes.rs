//! The route table: the only place that says which function answers which route.
//!
//! Tests compare `template.yaml`, the router of `cargo lambda watch`, `functions/` and `events/` with this table.

/// One method on one path, and the function that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The package in `functions/`.
    pub function: &'static str,
    /// The method in upper case.
    pub method: &'static str,
    /// The path. `{name}` is a parameter, which is one segment.
    pub path: &'static str,
    /// Who may call the route.
    pub access: Access,
}

impl Route {
    /// The methods of the route. A route with GET also answers HEAD (RFC 9110, section 9.1).
    #[must_use]
    pub fn methods(&self) -> &[&'static str] {
        if self.method == "GET" { &["GET", "HEAD"] } else { std::slice::from_ref(&self.method) }
    }

    /// Whether this route has the path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        fits(self.path, path)
    }
}

/// Whether a path fits the path of a route, with its parameters.
fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = |expected: &str| match segments.next() {
        Some(segment) if expected.starts_with('{') => !segment.is_empty(),
        segment => segment == Some(expected),
    };
    pattern.split('/').all(fits) && segments.next().is_none()
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// The user whom the token names.
    User,
}

/// The function that answers requests without a route (`$default`).
pub const NOT_FOUND: &str = "not-found";

const TASKS: &str = "/api/{user_id}/tasks";
const TASK: &str = "/api/{user_id}/tasks/{id}";
const COMPLETE: &str = "/api/{user_id}/tasks/{id}/complete";
// The same tasks without the user in the path, as many frontends have it: the caller's own.
const OWN_TASKS: &str = "/api/tasks";
const OWN_TASK: &str = "/api/tasks/{id}";
const OWN_COMPLETE: &str = "/api/tasks/{id}/complete";
const ME: &str = "/api/users/me";

/// Every route. If several routes match a request, [`find`] picks one.
pub const ROUTES: &[Route] = &[
    user("list-tasks", "GET", TASKS),
    user("create-task", "POST", TASKS),
    user("get-task", "GET", TASK),
    user("update-task", "PUT", TASK),
    user("delete-task", "DELETE", TASK),
    user("complete-task", "PATCH", COMPLETE),
    user("list-tasks", "GET", OWN_TASKS),
    user("create-task", "POST", OWN_TASKS),
    user("get-task", "GET", OWN_TASK),
    user("update-task", "PUT", OWN_TASK),
    user("delete-task", "DELETE", OWN_TASK),
    user("complete-task", "PATCH", OWN_COMPLETE),
    user("get-me", "GET", ME),
    user("update-me", "PATCH", ME),
    user("delete-me", "DELETE", ME),
    public("health", "/health"),
    public("docs", "/docs"),
    public("docs", "/openapi.json"),
];

const fn user(function: &'static str, method: &'static str, path: &'static str) -> Route {
    Route { function, method, path, access: Access::User }
}

const fn public(function: &'static str, path: &'static str) -> Route {
    Route { function, method: "GET", path, access: Access::Public }
}

/// The methods that `path` has, in the order of the table. Empty when there is no route. Without a users table
/// (`has_users`), the routes of users do not exist.
#[must_use]
pub fn methods(path: &str, has_users: bool) -> Vec<&'static str> {
    let is_there = |route: &&Route| route.matches(path) && (has_users || !route.path.starts_with(ME));
    let mut methods = Vec::new();
    for method in ROUTES.iter().filter(is_there).flat_map(Route::methods) {
        // Several routes may match, and each has its own methods.
        if !methods.contains(method) {
            methods.push(*method);
        }
    }
    methods
}

/// Whether a route of the function changes something.
pub(crate) fn writes(function: &str) -> bool {
    ROUTES.iter().any(|route| route.function == function && route.method != "GET")
}

/// The route that API Gateway picks for a method and a path: the matching route with the fewest parameters
/// ([routing](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html#http-api-develop-routes.evaluation)).
#[must_use]
pub fn find(method: &str, path: &str) -> Option<&'static Route> {
    let matching = ROUTES.iter().filter(|route| route.methods().contains(&method) && route.matches(path));
    matching.min_by_key(|route| route.path.matches('{').count())
}

/// Whether a route has this path, with or without a slash at the end: the one that API Gateway picked, of which
/// `route_key` is the method and the path, or any where it picked none.
pub(crate) fn is_known(path: &str, route_key: Option<&str>) -> bool {
    let bare = path.strip_suffix('/').unwrap_or(path);
    let fits = |pattern: &str| fits(pattern, path) || fits(pattern, bare);
    match route_key.and_then(|key| key.split_once(' ')) {
        Some((_, pattern)) => fits(pattern),
        None => ROUTES.iter().any(|route| fits(route.path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_segment_by_segment() {
        let found = |path| methods(path, true);
        assert_eq!(found("/api/1/tasks"), ["GET", "HEAD", "POST"]);
        assert_eq!(found("/api/1/tasks/2"), ["GET", "HEAD", "PUT", "DELETE"]);
        assert_eq!(found("/api/tasks"), ["GET", "HEAD", "POST"]);
        assert_eq!(found("/api/tasks/2/complete"), ["PATCH"]);
        assert_eq!(found("/api/users/me"), ["GET", "HEAD", "PATCH", "DELETE"]);
        assert_eq!(methods("/api/users/me", false).len(), 0);
        for unknown in ["", "/", "/api", "/api//tasks", "/api/1/tasks/", "//api/1/tasks", "/api/1/tasks/2/x"] {
            assert!(found(unknown).is_empty(), "{unknown}");
        }
    }
}
