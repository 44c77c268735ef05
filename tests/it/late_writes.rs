//! Writes that reach the database late, or that it still works on after the request was answered. They must not
//! change anything afterwards.

use std::{sync::Arc, time::Duration};

use devtools::signal::{self, Signal};
use serde_json::{Value, json};
use shared::db::RELEASE_SCHEMA;
use tests::{Api, Request, postgres::Database, token};

use crate::sql;

/// The server process of the API's connection. The API has the database to itself.
async fn backend(database: &Database) -> u32 {
    let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        ORDER BY backend_start DESC LIMIT 1";
    database.value::<i32>(sql).await.try_into().unwrap()
}

fn signal(process: u32, signal: Signal) {
    assert!(signal::send(process, signal), "{signal} to {process}: run this as the server's user, or as root");
}

/// The event of a request.
fn event(user: i32, method: &str, path: &str, body: &Value) -> Value {
    let parts: Vec<_> = path.split('/').collect();
    json!({
        "rawPath": path,
        "pathParameters": { "user_id": user.to_string(), "id": parts.get(4) },
        "headers": { "authorization": format!("Bearer {}", token::of(user)), "content-type": "application/json" },
        "requestContext": { "http": { "method": method } },
        "body": body.to_string(),
    })
}

/// A server process stands still past the deadline, and goes on after the client has done something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_not_committed_after_its_503() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let id = api.database.task(1, "old").await;
    let path = format!("/api/1/tasks/{id}");
    let writes = [
        ("update-task", "PUT", path.clone(), json!({ "title": "late" })),
        ("complete-task", "PATCH", format!("{path}/complete"), json!({ "completed": true })),
        ("create-task", "POST", "/api/1/tasks".into(), json!({ "title": "late" })),
        ("delete-task", "DELETE", path.clone(), json!({})),
        ("update-me", "PATCH", "/api/users/me".into(), json!({ "name": "late" })),
        ("delete-me", "DELETE", "/api/users/me".into(), json!({})),
    ];
    let rows = r#"SELECT (SELECT json_agg(t ORDER BY id)::TEXT FROM task AS t) || (SELECT json_agg(u)::TEXT FROM "user" AS u)"#;
    let before: String = api.database.value(rows).await;
    for (name, method, path, body) in writes {
        let function = api.function(name).await;
        // The first request opens the connection. Its user does not exist.
        let first = event(2, method, &path.replace("/1/", "/2/"), &body);
        assert_eq!(function.invoke(&first).await.unwrap()["statusCode"], 401, "{name}");
        let process = backend(&api.database).await;
        signal(process, Signal::SIGSTOP);
        let answer =
            function.invoke_within(&event(1, method, &path, &body), Duration::from_millis(1500)).await.unwrap();
        signal(process, Signal::SIGCONT);
        assert_eq!(answer["statusCode"], 503, "{name}: {answer}");
        // The process reads what it was sent, and ends because nobody listens any more.
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
        for _ in 0..1000 {
            api.database.execute("SELECT pg_stat_clear_snapshot()").await;
            if api.database.value::<i64>(&gone).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(api.database.value::<String>(rows).await, before, "{name}");
    }
}

/// The server begins in time, and is not done by the deadline: nothing is committed.
#[tokio::test]
async fn a_write_that_ends_late_is_not_committed() {
    let database = Database::migrated().await;
    database.users(&[1]).await;
    let id = database.task(1, "old").await;
    let slow = "CREATE FUNCTION slow() RETURNS TRIGGER LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.1); RETURN COALESCE(NEW, OLD); END'";
    database.execute(slow).await;
    for table in ["task_api.task", "\"user\""] {
        let trigger = format!(
            "CREATE TRIGGER slow BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION slow()"
        );
        database.execute(&trigger).await;
    }
    let rows = r#"SELECT (SELECT json_agg(t ORDER BY id)::TEXT FROM task AS t) || (SELECT json_agg(u)::TEXT FROM "user" AS u)"#;
    let before: String = database.value(rows).await;
    let functions = sql::functions();
    let writes = functions.iter().filter(|function| function.parameters.iter().any(|name| name == "deadline"));
    let mut tried = 0;
    for function in writes {
        let name = &function.name;
        let call = |time: &str| {
            let value = |name: &String| match name.as_str() {
                "caller" => "1".to_owned(),
                "deadline" => format!("clock_timestamp() + INTERVAL '{time}'"),
                "lock_timeout_ms" => "'5000'".to_owned(),
                "wanted" => id.to_string(),
                "new_title" | "new_name" => "'late'".to_owned(),
                "max_tasks" => "100".to_owned(),
                "new_key" => "'key'".to_owned(),
                "new_fingerprint" => "'\\x00'".to_owned(),
                // Nothing to change.
                _ => "NULL".to_owned(),
            };
            let values: Vec<_> = function.parameters.iter().map(value).collect();
            format!("SELECT to_jsonb({RELEASE_SCHEMA}.{name}({})) ->> 'outcome'", values.join(", "))
        };
        let late = database.client.batch_execute(&call("50 milliseconds")).await.expect_err(name);
        assert_eq!(late.code().map(tokio_postgres::error::SqlState::code), Some("TA001"), "{name}: {late:?}");
        assert_eq!(database.value::<String>(rows).await, before, "{name}");
        // One that begins late does no work at all, which would fail at its end.
        assert_eq!(database.value::<String>(&call("-1 second")).await, "late", "{name}");
        // With more time the same is done, and undone here.
        database.execute("BEGIN").await;
        assert_eq!(database.value::<String>(&call("10 seconds")).await, "ok", "{name}");
        database.execute("ROLLBACK").await;
        tried += 1;
    }
    assert!(tried >= 7, "{tried}");
}

/// The connection is cut while the server process stands still. The function repeats its write, and the first write
/// must not undo a change that was made after the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_repeated_when_the_first_can_no_longer_begin() {
    let database = Database::migrated().await;
    database.users(&[1]).await;
    let id = database.task(1, "old").await;
    let proxy = tests::proxy::Proxy::before(tests::postgres::port()).await;
    let url = database.url_at(proxy.port());
    let api = Arc::new(Api::over(database, &url));
    let path = format!("/api/1/tasks/{id}");
    let put = |title: &str| Request::new("PUT", &path).user(1).json(json!({ "title": title }));
    assert_eq!(api.send(put("first")).await.status, 200);
    let process = backend(&api.database).await;
    signal(process, Signal::SIGSTOP);
    let sent = {
        let (api, request) = (Arc::clone(&api), put("A"));
        tokio::spawn(async move { api.send(request).await })
    };
    // The write is on its way to the process that stands still.
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.cut();
    let answer = sent.await.unwrap();
    assert_eq!((answer.status, &answer.json()["title"]), (200, &json!("A")), "{answer:?}");
    assert_eq!(api.send(put("B")).await.status, 200);
    signal(process, Signal::SIGCONT);
    let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
    while api.database.value::<i64>(&gone).await > 0 {
        api.database.execute("SELECT pg_stat_clear_snapshot()").await;
    }
    assert_eq!(api.database.value::<String>("SELECT title FROM task").await, "B");
}

/// A session that cannot be used costs one request a second attempt, and no more.
#[tokio::test]
async fn a_session_in_a_bad_state_is_not_kept() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let create = || Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "x" }));
    assert_eq!(api.send(create()).await.status, 201);
    let role: String = api.database.value("SELECT CURRENT_USER::TEXT").await;
    let name = api.database.name().to_owned();
    // New sessions are read-only, like those of a former primary. After that, they are writable again.
    let outside = Database::empty().await;
    outside.execute(&format!("ALTER ROLE {role} IN DATABASE {name} SET default_transaction_read_only = on")).await;
    let process = backend(&api.database).await;
    api.database.execute(&format!("SELECT pg_terminate_backend({process})")).await;
    let answer = api.send(create()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    outside.execute(&format!("ALTER ROLE {role} IN DATABASE {name} RESET default_transaction_read_only")).await;
    assert_eq!(api.send(create()).await.status, 201, "the session that stayed read-only is not used again");
}
