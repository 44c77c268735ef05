//! Connections that are lost before or during a statement, and statements that take too long. Statements that may be
//! repeated are repeated, others get a 503, and no statement goes on at the server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{
    Api, Request, Response,
    postgres::{self, Database},
    proxy::Proxy,
    token,
};

const OTHERS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

async fn behind_a_proxy() -> (Api, Proxy) {
    let proxy = Proxy::before(postgres::port()).await;
    let database = Database::migrated().await;
    let url = database.url_at(proxy.port());
    let api = Api::over(database, &url);
    api.database.users(&[1]).await;
    (api, proxy)
}

#[tokio::test]
async fn a_connection_that_was_cut_costs_nobody_anything() {
    let (api, proxy) = behind_a_proxy().await;
    let id = api.database.task(1, "x").await;
    for round in 0..10 {
        for request in [
            Request::new("GET", "/api/1/tasks").user(1),
            Request::new("PUT", &format!("/api/1/tasks/{id}")).user(1).json(json!({ "title": round.to_string() })),
            Request::new("PATCH", &format!("/api/1/tasks/{id}/complete")).user(1).json(json!({ "completed": true })),
            Request::new("POST", "/api/1/tasks")
                .user(1)
                .header("Idempotency-Key", &round.to_string())
                .json(json!({ "title": "y" })),
            Request::new("PATCH", "/api/users/me").user(1).json(json!({ "name": round.to_string() })),
        ] {
            let answer = api.send(request.clone()).await;
            assert!(answer.status < 300, "{request:?}: {} {}", answer.status, answer.body);
            proxy.cut();
        }
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 11, "ten keys, ten tasks");
}

/// Sends a request that waits for a lock, harms its connection, and then releases the lock.
async fn under(api: &Arc<Api>, id: i64, request: Request, harm: &str) -> Response {
    api.database.execute(&format!("BEGIN; SELECT FROM task WHERE id = {id} FOR UPDATE")).await;
    let sent = tokio::spawn({
        let api = Arc::clone(api);
        async move { api.send(request).await }
    });
    api.database.wait_for_blocked().await;
    api.database.execute(&format!("SELECT {harm} {OTHERS} AND wait_event_type = 'Lock'; ROLLBACK")).await;
    sent.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_whose_backend_is_killed_is_repeated_where_that_is_safe() {
    let api = Arc::new(Api::new().await);
    api.database.users(&[1]).await;
    let id = api.database.task(1, "x").await;
    let path = format!("/api/1/tasks/{id}");
    let tag = api.send(Request::new("GET", &path).user(1)).await.header("etag").unwrap().to_owned();
    let put = || Request::new("PUT", &path).user(1).json(json!({ "title": "changed" }));
    let toggle = || Request::new("PATCH", &format!("{path}/complete")).user(1);
    for (request, status) in [
        (put().header("If-Match", &tag), 503),
        (toggle(), 503),
        (Request::new("DELETE", &path).user(1), 503),
        (toggle().json(json!({ "completed": true })), 200),
        (put(), 200),
    ] {
        let answer = under(&api, id, request.clone(), "pg_terminate_backend(pid)").await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.body);
        if status == 503 {
            assert_eq!(answer.header("retry-after"), Some("1"));
            let row = "SELECT completed::text || title FROM task";
            assert_eq!(api.database.value::<String>(row).await, "falsex", "{request:?}");
        }
    }
    assert_eq!(api.database.value::<String>("SELECT completed::text || title FROM task").await, "truechanged");
}

/// The transaction that loses a deadlock is certainly rolled back, so every request may be repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victim_of_a_deadlock_is_repeated() {
    let api = Arc::new(Api::new().await);
    api.database.users(&[1]).await;
    let id = api.database.task(1, "x").await;
    // The toggle holds the lock on the owner's key, and waits for the task. A trigger makes it take another lock.
    api.database
        .execute(
            "CREATE SEQUENCE attempts;
             CREATE FUNCTION fail_once() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
             BEGIN
                 IF nextval('public.attempts') = 1 THEN RAISE deadlock_detected; END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER fail_once BEFORE UPDATE ON task FOR EACH ROW EXECUTE FUNCTION fail_once()",
        )
        .await;
    let toggled = api.send(Request::new("PATCH", &format!("/api/1/tasks/{id}/complete")).user(1)).await;
    assert_eq!((toggled.status, &toggled.json()["completed"]), (200, &json!(true)));
    assert_eq!(api.database.value::<i64>("SELECT last_value FROM attempts").await, 2);
}

/// After its deadline, a statement is cancelled at the server and changes nothing.
#[tokio::test]
async fn a_statement_that_is_too_late_is_cancelled_at_the_server() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let id = api.database.task(1, "x").await;
    let function = api.function("complete-task").await;
    let toggle: Value = json!({
        "rawPath": format!("/api/1/tasks/{id}/complete"),
        "pathParameters": { "user_id": "1", "id": id.to_string() },
        "headers": { "authorization": format!("Bearer {}", token::of(1)) },
        "requestContext": { "http": { "method": "PATCH" } },
    });
    api.database.execute("BEGIN; LOCK TABLE task").await;
    let answer = function.invoke_within(&toggle, Duration::from_secs(2)).await.unwrap();
    assert_eq!(answer["statusCode"], 503, "{answer}");
    let active = format!("SELECT count(*) {OTHERS} AND state = 'active'");
    // The server was told to cancel. It needs a moment.
    let end = Instant::now() + Duration::from_secs(1);
    while api.database.value::<i64>(&active).await > 0 {
        assert!(Instant::now() < end, "it goes on");
        api.database.execute("SELECT pg_stat_clear_snapshot()").await;
    }
    api.database.execute("ROLLBACK").await;
    assert!(!api.database.value::<bool>("SELECT completed FROM task").await);
    let answer = function.invoke_within(&toggle, Duration::from_secs(2)).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
}

/// A server that restarts refuses connections for a while. A request waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_back_soon_is_waited_for() {
    let api = Arc::new(Api::new().await);
    api.database.users(&[1]).await;
    let get = || Request::new("GET", "/api/1/tasks").user(1);
    assert_eq!(api.send(get()).await.status, 200);
    let name: String = api.database.value("SELECT current_database()::text").await;
    // A session cannot close its own database.
    let outside = Database::empty().await;
    outside.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    api.database.execute(&format!("SELECT pg_terminate_backend(pid) {OTHERS}")).await;
    let sent = tokio::spawn({
        let (api, get) = (Arc::clone(&api), get());
        async move { api.send(get).await.status }
    });
    outside.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    assert_eq!(sent.await.unwrap(), 200);
}
