//! The API behind a real `PgBouncer` in transaction mode, over TLS with SCRAM.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use shared::routes::ROUTES;
use tests::{
    Api, Request, Response,
    pgbouncer::Pooler,
    postgres::{self, Database, newest_migration},
    proxy::Proxy,
    runtime::Function,
};
use tokio_postgres::SimpleQueryMessage;

/// An API with functions that reach a migrated database through a pooler.
struct Pooled {
    api: Arc<Api>,
    pooler: Pooler,
    /// The proxy between the functions and the pooler.
    wire: Proxy,
}

/// `None`, with a message, when there is no `PgBouncer`.
async fn pooled(pool_size: usize, processes: usize) -> Option<Pooled> {
    let database = Database::empty().await;
    database.give_away().await;
    let pooler = Pooler::before(postgres::port(), &[database.name()], pool_size).await?;
    let wire = Proxy::before(pooler.port()).await;
    let url = pooler.url_at(wire.port(), database.name(), database.name());
    let certificate = pooler.certificate().display().to_string();
    let environment = BTreeMap::from([
        ("DATABASE_URL".to_owned(), url.clone()),
        ("DATABASE_URL_UNPOOLED".to_owned(), database.url_of_owner_at(postgres::port())),
        ("SSL_CERT_FILE".to_owned(), certificate.clone()),
    ]);
    let migrate = Function::start("migrate", &environment, 1).await;
    let report = migrate.invoke(&json!({ "action": "up" })).await.unwrap();
    assert_eq!(report["version"], newest_migration());
    assert_eq!(wire.connections(), 0, "migrations go past the pooler");
    database.users(&[1, 2]).await;
    let api = Api::over(database, &url).with("SSL_CERT_FILE", &certificate).processes(processes);
    Some(Pooled { api: Arc::new(api), pooler, wire })
}

/// Sends a request for each route, in the order of a task's life. Checks the status of each answer.
async fn whole_api(api: &Api, mut after_each: impl AsyncFnMut(&str, &Response)) {
    let task = api.database.task(1, "own").await;
    let mut answered = Vec::new();
    for (method, path, body, status) in [
        ("POST", "/api/1/tasks", Some(json!({ "title": "x" })), 201),
        ("GET", "/api/1/tasks", None, 200),
        ("GET", "/api/1/tasks/{id}", None, 200),
        ("PUT", "/api/1/tasks/{id}", Some(json!({ "title": "y" })), 200),
        ("PATCH", "/api/1/tasks/{id}/complete", None, 200),
        ("PATCH", "/api/1/tasks/{id}/complete", Some(json!({ "completed": false })), 200),
        ("POST", "/api/tasks", Some(json!({ "title": "x" })), 201),
        ("GET", "/api/tasks", None, 200),
        ("GET", "/api/tasks/{id}", None, 200),
        ("PUT", "/api/tasks/{id}", Some(json!({ "title": "y" })), 200),
        ("PATCH", "/api/tasks/{id}/complete", None, 200),
        ("DELETE", "/api/1/tasks/{id}", None, 200),
        ("DELETE", "/api/tasks/{id}", None, 404),
        ("GET", "/api/1/tasks/{id}", None, 404),
        ("GET", "/api/users/me", None, 200),
        ("PATCH", "/api/users/me", Some(json!({ "name": "x" })), 200),
        ("DELETE", "/api/users/me", None, 200),
        ("GET", "/api/1/tasks", None, 401),
        ("GET", "/health", None, 200),
        ("GET", "/docs", None, 200),
        ("GET", "/openapi.json", None, 200),
    ] {
        let mut request = Request::new(method, &path.replace("{id}", &task.to_string())).user(1);
        if method == "POST" {
            request = request.header("Idempotency-Key", "key");
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = api.send(request).await;
        assert_eq!(response.status, status, "{method} {path}: {}", response.body);
        after_each(&format!("{method} {path}"), &response).await;
        answered.push((method, path.replace("/1/", "/{user_id}/")));
    }
    for route in ROUTES {
        assert!(
            answered.contains(&(route.method, route.path.to_owned())),
            "{route:?} is not tried: add it to `whole_api`"
        );
    }
}

#[tokio::test]
async fn every_route_is_one_round_trip_through_the_pooler() {
    let Some(Pooled { api, wire, pooler: _pooler }) = pooled(2, 1).await else { return };
    // The functions connect when they start.
    for name in ROUTES.iter().map(|route| route.function).filter(|name| *name != "docs") {
        api.function(name).await.invoke(&json!({})).await.unwrap();
    }
    // This function connects with its first request.
    api.send(Request::new("GET", "/health")).await;
    wire.forget();
    whole_api(&api, async |request, response| {
        let round_trips = usize::from(!response.body.contains("openapi") && request != "GET /openapi.json");
        assert_eq!(wire.round_trips(), round_trips, "{request}");
    })
    .await;
}

/// The next client of a server connection must find the session as new.
#[tokio::test]
async fn nothing_is_left_in_the_session() {
    let Some(Pooled { api, pooler, wire: _wire }) = pooled(1, 1).await else { return };
    let name = api.database.name();
    let client = pooler.connect(&pooler.url_at(pooler.port(), name, name).parse().unwrap()).await;
    // Reads the session in one row of texts, which needs no prepared statement. The application name is set by the
    // pooler itself, for each client that has one.
    let session = async || {
        let sql = "SELECT
            pg_backend_pid(), current_user, session_user, current_setting('role'),
            COALESCE(current_setting('task_api.user_id', TRUE), ''), current_setting('statement_timeout'),
            (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
            (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_my_temp_schema() AS x WHERE x <> 0),
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
            (SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings
                WHERE source = 'session' AND name <> 'application_name')";
        let messages = client.simple_query(sql).await.unwrap();
        let row = messages.into_iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.unwrap();
        (0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let before = session().await;
    assert_eq!(&before[1..4], [name, name, "none"]);
    assert_eq!(&before[4..6], ["", "0"]);
    assert_eq!(&before[6..11], ["0", "0", "0", "0", "0"]);
    whole_api(&api, async |request, _| assert_eq!(session().await, before, "after {request}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_functions_share_two_connections() {
    let Some(Pooled { api, wire, pooler: _pooler }) = pooled(2, 8).await else { return };
    let before = wire.connections();
    let mut sent = tokio::task::JoinSet::new();
    for number in 0..200 {
        let api = Arc::clone(&api);
        sent.spawn(async move {
            let user = 1 + number % 2;
            let path = format!("/api/{user}/tasks");
            let title = format!("{user} {number}");
            let created = api.send(Request::new("POST", &path).user(user).json(json!({ "title": title }))).await;
            assert_eq!(created.status, 201, "{}", created.body);
            let own = created.header("location").unwrap().to_owned();
            let toggled = api.send(Request::new("PATCH", &format!("{own}/complete")).user(user)).await;
            assert_eq!((toggled.status, &toggled.json()["title"]), (200, &json!(title)));
            // This connection may have served the other user a moment ago.
            let foreign = api.send(Request::new("GET", &own).user(3 - user)).await;
            assert_eq!(foreign.status, 403, "{}", foreign.body);
            let listed = api.send(Request::new("GET", &path).user(user)).await.json();
            assert!(listed.as_array().unwrap().iter().all(|task| task["user_id"] == user), "{listed}");
        });
    }
    while let Some(done) = sent.join_next().await {
        done.unwrap();
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task WHERE completed").await, 200);
    assert!(wire.connections() > before + 16, "{} connections to the pooler", wire.connections());
    let to_the_server = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_database()";
    let count: i64 = api.database.value(to_the_server).await;
    assert!((1..=2).contains(&count), "{count} connections to the server");
}

#[tokio::test]
async fn a_pooler_that_is_restarted_costs_nothing_that_came_after() {
    let Some(Pooled { api, pooler, wire: _wire }) = pooled(2, 1).await else { return };
    let task = api.database.task(1, "x").await;
    let path = format!("/api/1/tasks/{task}");
    let requests = || {
        [
            Request::new("GET", &path).user(1),
            Request::new("PUT", &path).user(1).json(json!({ "title": "y" })),
            Request::new("PATCH", &format!("{path}/complete")).user(1),
            Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "z" })),
        ]
    };
    for round in 1..=3 {
        for request in requests() {
            let response = api.send(request.clone()).await;
            assert!([200, 201].contains(&response.status), "{round}: {request:?}: {}", response.body);
        }
        pooler.stop().await;
        let away = api.send(Request::new("GET", &path).user(1)).await;
        assert_eq!((away.status, away.header("retry-after")), (503, Some("1")));
        pooler.start().await;
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task WHERE title = 'z'").await, 3);
    assert!(api.database.value::<bool>("SELECT completed FROM task WHERE title = 'y'").await);
}
