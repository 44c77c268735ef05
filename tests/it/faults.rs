//! Functions that cannot start, and databases that are away, slow or cut off.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;
use shared::routes::{NOT_FOUND, ROUTES};
use tests::{Api, Request, SECRET, postgres::Database, runtime::Function};
use tokio::net::TcpListener;

/// Starts a function that must not start, and returns the one line that it wrote.
async fn refuses_to_start(name: &str, environment: &[(&str, &str)]) -> String {
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let function = Function::start(name, &environment, 1).await;
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let (Some(status), [line]) = (function.ended(), &function.log()[..]) {
            assert_eq!(status.code(), Some(1), "{name}");
            return line.clone();
        }
        assert!(Instant::now() < end, "{name} started with {environment:?}: {:?}", function.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn wrong_configuration_is_one_line_with_the_variables_name() {
    let url = ("DATABASE_URL", "postgres://u:hidden@127.0.0.1:1/d?sslmode=disable");
    let secret = ("BETTER_AUTH_SECRET", SECRET);
    for name in ROUTES.iter().map(|route| route.function).filter(|name| !["health", "docs"].contains(name)) {
        let line = refuses_to_start(name, &[url]).await;
        assert!(line.starts_with(&format!("{name}: BETTER_AUTH_URL: is missing")), "{line}");
        let line = refuses_to_start(name, &[secret]).await;
        assert!(line.starts_with(&format!("{name}: DATABASE_URL: is missing")), "{line}");
    }
    // `migrate` starts in any case, because CloudFormation waits for its answer: see cloudformation.rs.
    let line = refuses_to_start("health", &[secret]).await;
    assert!(line.starts_with("health: DATABASE_URL: is missing"), "{line}");
    for (variable, value) in [
        ("DATABASE_URL", "postgres://u:hidden@127.0.0.1/d?nonsense=1"),
        ("BETTER_AUTH_SECRET", "hidden"),
        ("BETTER_AUTH_URL", "hidden"),
        ("MAX_TASKS_PER_USER", "hidden"),
        ("BETTER_AUTH_URL", "http://hidden.example.com"),
    ] {
        let line = refuses_to_start("get-me", &[url, secret, (variable, value)]).await;
        assert!(line.starts_with(&format!("get-me: {variable}: ")) && !line.contains("hidden"), "{line}");
    }
    let line = refuses_to_start(NOT_FOUND, &[("CORS_ORIGINS", "*")]).await;
    assert!(line.starts_with("not-found: CORS_ORIGINS: "), "{line}");
}

#[tokio::test]
async fn the_development_secret_does_not_start_on_aws() {
    let line = refuses_to_start(
        "get-me",
        &[
            ("DATABASE_URL", "postgres://u@127.0.0.1:1/d"),
            ("BETTER_AUTH_SECRET", shared::config::DEVELOPMENT_SECRET),
            ("LAMBDA_TASK_ROOT", "/var/task"),
        ],
    )
    .await;
    assert!(line.contains("BETTER_AUTH_SECRET: is a secret that is public"), "{line}");
}

#[tokio::test]
async fn a_database_that_refuses_is_503_until_it_is_back() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let get = || Request::new("GET", "/api/1/tasks").user(1).header("Origin", "http://localhost:3000");
    assert_eq!(api.send(get()).await.status, 200);
    let name: String = api.database.value("SELECT current_database()::text").await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    // A session cannot close its own database.
    let outside = Database::empty().await;
    outside.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    api.database.execute(others).await;
    let response = api.send(get()).await;
    assert_eq!((response.status, response.json()), (503, json!({ "detail": "The database is not available" })));
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(response.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(api.send(Request::new("GET", "/health")).await.status, 503);
    // Tokens and bodies are checked without the database.
    assert_eq!(api.send(Request::new("GET", "/api/1/tasks")).await.status, 401);
    assert_eq!(api.send(Request::new("GET", "/api/2/tasks").user(1)).await.status, 403);
    outside.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    assert_eq!(api.send(get()).await.status, 200);
    let health = api.send(Request::new("GET", "/health")).await;
    assert_eq!((health.status, health.json()), (200, json!({ "status": "ok" })));
}

/// A server that accepts connections but never answers.
#[tokio::test]
async fn a_database_that_does_not_answer_is_503_within_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable");
    let environment = [("DATABASE_URL".into(), url), ("BETTER_AUTH_SECRET".into(), SECRET.into())];
    let function = Function::start("get-me", &environment.into(), 1).await;
    let event = json!({
        "rawPath": "/api/users/me",
        "headers": { "authorization": format!("Bearer {}", tests::token::of(1)) },
        "requestContext": { "http": { "method": "GET" } },
    });
    // The first request waits for the function's start, which tries to connect for 3 seconds.
    function.invoke_within(&event, Duration::from_secs(6)).await.unwrap();
    let started = Instant::now();
    let answer = function.invoke_within(&event, Duration::from_secs(2)).await.unwrap();
    assert_eq!(answer["statusCode"], 503);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// A statement waits for a lock past its deadline. The next request must not wait for that statement.
#[tokio::test]
async fn a_statement_that_hangs_is_503_and_leaves_its_connection_behind() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let (locked, free) = (api.database.task(1, "locked").await, api.database.task(1, "free").await);
    let function = api.function("complete-task").await;
    let toggle = |id: i64| {
        json!({
            "rawPath": format!("/api/1/tasks/{id}/complete"),
            "pathParameters": { "user_id": "1", "id": id.to_string() },
            "headers": { "authorization": format!("Bearer {}", tests::token::of(1)) },
            "requestContext": { "http": { "method": "PATCH" } },
        })
    };
    api.database.execute(&format!("BEGIN; SELECT FROM task WHERE id = {locked} FOR UPDATE")).await;
    let limit = Duration::from_secs(2);
    let started = Instant::now();
    let answer = function.invoke_within(&toggle(locked), limit).await.unwrap();
    assert_eq!(answer["statusCode"], 503);
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    let answer = function.invoke_within(&toggle(free), limit).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    api.database.execute("ROLLBACK").await;
}
