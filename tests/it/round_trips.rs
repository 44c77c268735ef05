//! A request that needs the database takes one round trip, and others take none. The tests count on the wire.

use std::collections::BTreeMap;

use serde_json::json;
use shared::routes::{Access, ROUTES};
use tests::{
    Api, Request,
    postgres::{self, Database},
    proxy::Proxy,
};

async fn watched() -> (Api, Proxy) {
    let proxy = Proxy::before(postgres::port()).await;
    let database = Database::migrated().await;
    let url = database.url_at(proxy.port());
    let api = Api::over(database, &url);
    api.database.users(&[1, 2]).await;
    (api, proxy)
}

#[tokio::test]
async fn every_route_is_one_round_trip() {
    let (api, proxy) = watched().await;
    let own = api.database.task(1, "own").await;
    for route in ROUTES {
        let path = route.path.replace("{user_id}", "1").replace("{id}", &own.to_string());
        let request = || {
            let request = Request::new(route.method, &path).user(1);
            if route.path.contains("{id}") || route.path == "/api/users/me" || route.method == "POST" {
                request.json(json!({ "title": "x", "name": "x" }))
            } else {
                request
            }
        };
        // The first call starts the function, which connects. After a deletion, the answers are 401 or 404, and
        // still take one round trip.
        api.send(request()).await;
        proxy.forget();
        let response = api.send(request()).await;
        assert!(response.status < 500, "{route:?}: {}", response.body);
        let round_trips = usize::from(route.function != "docs");
        assert_eq!(proxy.round_trips(), round_trips, "{route:?}: {}", response.status);
    }
}

#[tokio::test]
async fn a_refused_request_is_none() {
    let (api, proxy) = watched().await;
    let refused = [
        (401, Request::new("GET", "/api/1/tasks")),
        (401, Request::new("GET", "/api/1/tasks").header("Authorization", "Bearer x.y.z")),
        (401, Request::new("DELETE", "/api/users/me")),
        (422, Request::new("GET", "/api/x/tasks").user(1)),
        (422, Request::new("GET", "/api/1/tasks/x").user(1)),
        (422, Request::new("GET", "/api/1/tasks?limit=0").user(1)),
        (422, Request::new("POST", "/api/1/tasks").user(1)),
        (422, Request::new("POST", "/api/1/tasks").user(1).raw("application/json", "{")),
        (400, Request::new("POST", "/api/1/tasks").user(1).raw("application/json", b"\xff".to_vec())),
        (413, Request::new("POST", "/api/1/tasks").user(1).raw("application/json", "x".repeat(1 << 20))),
        (422, Request::new("PUT", "/api/1/tasks/1").user(1).json(json!({ "title": "" }))),
        (422, Request::new("PATCH", "/api/users/me").user(1).json(json!({ "name": "" }))),
        (404, Request::new("GET", "/nowhere")),
        (405, Request::new("POST", "/health")),
        (307, Request::new("GET", "/api/1/tasks/")),
    ];
    for (_, request) in &refused {
        api.send(request.clone()).await;
    }
    proxy.forget();
    for (status, request) in refused {
        let response = api.send(request.clone()).await;
        assert_eq!(response.status, status, "{request:?}: {}", response.body);
        assert_eq!(proxy.round_trips(), 0, "{request:?}");
    }
    // Only the database knows that a user was deleted, and the 401 for that comes before the 403 for another user's
    // path.
    for (status, user) in [(403, 2), (401, 3)] {
        let response = api.send(Request::new("GET", "/api/1/tasks").user(user)).await;
        assert_eq!((response.status, proxy.round_trips()), (status, 1));
    }
}

#[tokio::test]
async fn functions_connect_before_their_first_request_and_stay_connected() {
    let (api, proxy) = watched().await;
    for count in 1..=3 {
        api.send(Request::new("GET", "/api/1/tasks").user(1)).await;
        assert_eq!(proxy.connections(), 1, "after request {count}");
    }
    assert!(ROUTES.iter().any(|route| route.access == Access::Public));
    api.send(Request::new("GET", "/nowhere")).await;
    assert_eq!(proxy.connections(), 1, "not-found needs no database");
}

/// A write needs the server's clock, so functions that write ask for it when they start, and no others do.
#[tokio::test]
async fn only_functions_that_write_ask_for_the_clock() {
    let (api, proxy) = watched().await;
    let start = async |function: &str| {
        proxy.forget();
        api.function(function).await.invoke(&json!({})).await.unwrap();
        proxy.round_trips()
    };
    let users_routes = ROUTES.iter().filter(|route| route.access == Access::User);
    let functions: BTreeMap<_, _> = users_routes.map(|route| (route.function, route.method != "GET")).collect();
    let connecting = start("get-task").await;
    for (function, writes) in functions.into_iter().filter(|(function, _)| *function != "get-task") {
        assert_eq!(start(function).await, connecting + usize::from(writes), "{function}");
    }
}
