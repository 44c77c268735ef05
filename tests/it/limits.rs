//! Limits on what one caller can make the database do and store.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::release::MAX_IDEMPOTENCY_KEYS;
use tests::{Api, Request};

/// The number of keys is limited. The oldest keys are removed. The user may also have only three tasks.
#[tokio::test]
async fn keys_are_bounded_in_number() {
    let api = Api::new().await.with("MAX_TASKS_PER_USER", "3");
    api.database.users(&[1]).await;
    let create = |key: &str| {
        Request::new("POST", "/api/1/tasks").user(1).header("Idempotency-Key", key).json(json!({ "title": "x" }))
    };
    assert_eq!(api.send(create("first")).await.status, 201);
    // As many keys as that number of creates would have left, one per second.
    let keys = i64::from(MAX_IDEMPOTENCY_KEYS) + 500;
    api.database
        .execute(&format!(
            r"INSERT INTO idempotency_key
                SELECT 1, 'k' || n, '\x00', n, now() - ({keys} - n) * INTERVAL '1 second' FROM generate_series(1, {keys}) AS n;
              UPDATE task_owner SET keys = {keys} + 1"
        ))
        .await;
    for number in 0..6 {
        // Each create makes room for its key. Deleting the task makes room for the next task.
        let created = api.send(create(&format!("new-{number}"))).await;
        assert_eq!(created.status, 201, "{created:?}");
        let path = created.header("location").unwrap().to_owned();
        assert_eq!(api.send(Request::new("DELETE", &path).user(1)).await.status, 200);
    }
    let left: i64 = api.database.value("SELECT count(*) FROM idempotency_key").await;
    assert!(left <= i64::from(MAX_IDEMPOTENCY_KEYS), "{left}");
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM idempotency_key WHERE key LIKE 'new-%'").await, 6);
}

/// At the limit, a new key takes the place of the oldest keys. A request that makes no task removes none.
#[tokio::test]
async fn only_a_new_key_takes_the_place_of_old_ones() {
    let api = Api::new().await.with("MAX_TASKS_PER_USER", "2");
    api.database.users(&[1]).await;
    let create = |key: &str| {
        Request::new("POST", "/api/1/tasks").user(1).header("Idempotency-Key", key).json(json!({ "title": "x" }))
    };
    assert_eq!(api.send(create("oldest")).await.status, 201);
    let others = i64::from(MAX_IDEMPOTENCY_KEYS) - 1;
    api.database
        .execute(&format!(
            r"UPDATE idempotency_key SET created_at = now() - INTERVAL '2 hours';
              INSERT INTO idempotency_key
                SELECT 1, 'k' || n, '\x00', n, now() - INTERVAL '1 hour' + n * INTERVAL '1 second' FROM generate_series(1, {others}) AS n;
              UPDATE task_owner SET keys = {others} + 1, keys_since = now() - INTERVAL '2 hours'"
        ))
        .await;
    let keys = "SELECT count(*) FROM idempotency_key";
    for (key, status) in [("oldest", 201), ("k1", 422)] {
        assert_eq!(api.send(create(key)).await.status, status, "{key}");
        assert_eq!(api.database.value::<i64>(keys).await, others + 1, "{key}");
    }
    assert_eq!(api.send(create("new")).await.status, 201);
    assert_eq!(api.database.value::<i64>(keys).await, others + 2 - 100);
    let oldest = "SELECT key FROM idempotency_key ORDER BY created_at LIMIT 1";
    assert_eq!(api.database.value::<String>(oldest).await, "k100");
    assert_eq!(api.send(create("newer")).await.status, 409);
    assert_eq!(api.database.value::<i64>(keys).await, others + 2 - 100);
}

/// A user may have more tasks than the limit: copied ones, or a limit that was lowered. A refusal must not make the count
/// of them too low for the day on which the limit is raised.
#[tokio::test]
async fn a_refused_create_does_not_lower_the_count() {
    let api = Api::new().await.with("MAX_TASKS_PER_USER", "2");
    api.database.users(&[1]).await;
    for _ in 0..5 {
        api.database.task(1, "x").await;
    }
    let create = Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "x" }));
    assert_eq!(api.send(create).await.status, 409);
    assert!(api.database.value::<i32>("SELECT tasks FROM task_owner").await >= 5);
}

/// A key from yesterday has no effect, and the next create removes it.
#[tokio::test]
async fn keys_end_after_a_day() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let create = |title: &str| Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": title }));
    let keyed = |title: &str| create(title).header("Idempotency-Key", "weekly-report");
    let age = "UPDATE idempotency_key SET created_at = created_at - INTERVAL '7 days';
               UPDATE task_owner SET keys_since = keys_since - INTERVAL '7 days'";
    let first = api.send(keyed("weekly report")).await;
    api.database.execute(age).await;
    let second = api.send(keyed("weekly report")).await;
    assert_eq!((second.status, second.header("idempotent-replayed")), (201, None));
    assert_ne!(first.json()["id"], second.json()["id"]);
    api.database.execute(age).await;
    assert_eq!(api.send(keyed("weekly report 48")).await.status, 201);
    api.database.execute(age).await;
    assert_eq!(api.send(create("something else")).await.status, 201);
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM idempotency_key").await, 0);
}

/// The limit holds for creates at the same moment, and tasks that were deleted do not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_limit_holds_for_creates_at_the_same_moment() {
    let api = std::sync::Arc::new(Api::new().await.with("MAX_TASKS_PER_USER", "5").processes(4));
    api.database.users(&[1]).await;
    let create = || Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "x" }));
    let sent: Vec<_> = (0..20)
        .map(|_| {
            let (api, request) = (std::sync::Arc::clone(&api), create());
            tokio::spawn(async move { api.send(request).await.status })
        })
        .collect();
    let mut created = 0;
    for sent in sent {
        match sent.await.unwrap() {
            201 => created += 1,
            status => assert_eq!(status, 409),
        }
    }
    assert_eq!((created, api.database.value::<i64>("SELECT count(*) FROM task").await), (5, 5));
    api.database.execute("DELETE FROM task WHERE id = (SELECT min(id) FROM task)").await;
    assert_eq!((api.send(create()).await.status, api.send(create()).await.status), (201, 409));
}

/// The worst search in as many tasks as a user may have. The bound is far above the time that the search takes. A
/// search as text took seconds.
#[tokio::test]
async fn the_worst_search_ends_soon() {
    let api = Api::new().await;
    api.database.users(&[1, 2]).await;
    for (user, letter, encoded) in [(1, "a", "a"), (2, "\u{1f600}", "%F0%9F%98%80")] {
        api.database
            .execute(&format!(
                "INSERT INTO task (user_id, title, description)
                    SELECT {user}, repeat('{letter}', 200), repeat('{letter}', 1000) FROM generate_series(1, 10000);
                 ANALYZE task_api.task"
            ))
            .await;
        let list = |q: &str| Request::new("GET", &format!("/api/tasks?limit=1&q={q}")).user(user);
        api.send(list("warm")).await;
        let (started, worst) = (Instant::now(), format!("{}b", encoded.repeat(99)));
        assert_eq!(api.send(list(&worst)).await.json(), json!([]));
        assert!(started.elapsed() < Duration::from_secs(1), "{letter}: {:?}", started.elapsed());
        assert_eq!(api.send(list(&encoded.repeat(100))).await.json()[0]["id"], 1 + 10_000 * (user - 1));
        assert_eq!(api.send(list(&encoded.repeat(101))).await.status, 422);
    }
}

/// The database counts statements by operation, and not by user.
#[tokio::test]
async fn statements_are_counted_by_operation() {
    let api = Api::new().await;
    let created = api.database.client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await;
    created.expect("pg_stat_statements, which `cargo xtask test` has the server load");
    api.database.users(&[1, 2, 3]).await;
    for user in 1..=3 {
        let id = api.database.task(user, "x").await;
        for (method, path) in [("GET", ""), ("GET", "?limit=5"), ("GET", "/{id}"), ("PATCH", "/{id}/complete")] {
            let path = format!("/api/{user}/tasks{}", path.replace("{id}", &id.to_string()));
            assert_eq!(api.send(Request::new(method, &path).user(user)).await.status, 200);
        }
    }
    let sql = "SELECT query, calls FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
        WHERE d.datname = current_database()";
    let rows = api.database.client.query(sql, &[]).await.unwrap();
    let mut counted: Vec<(String, i64)> = rows
        .iter()
        .map(|row| (row.get::<_, String>(0), row.get(1)))
        .filter(|(query, _)| {
            ["SELECT task_api_", "SELECT * FROM task_api_"].iter().any(|start| query.starts_with(start))
        })
        .map(|(query, calls)| (query.split(['.', '(']).nth(1).unwrap().to_owned(), calls))
        .collect();
    counted.sort();
    let expected = [("complete_task", 3), ("get_task", 3), ("list_tasks", 6)];
    assert_eq!(counted, expected.map(|(name, calls)| (name.to_owned(), calls)));
}
