//! Requests that are sent again: idempotency keys, conditional requests, and setting `completed` instead of toggling
//! it.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tests::{Api, Request, Response};

async fn api() -> Api {
    let api = Api::new().await;
    api.database.users(&[1, 2]).await;
    api
}

fn create(user: i32, key: &str, body: Value) -> Request {
    Request::new("POST", &format!("/api/{user}/tasks")).user(user).header("Idempotency-Key", key).json(body)
}

async fn tasks(api: &Api) -> i64 {
    api.database.value("SELECT count(*) FROM task").await
}

#[tokio::test]
async fn the_same_key_and_body_get_the_first_answer() {
    let api = api().await;
    let first = api.send(create(1, "key", json!({ "title": "a", "description": "b" }))).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, None), "{}", first.body);
    // The order and spelling of a body do not matter. Its meaning does.
    let spelled = Request::new("POST", "/api/1/tasks")
        .user(1)
        .header("idempotency-key", " key ")
        .raw("application/json", r#"{ "description": "\u0062", "title": "a" }"#);
    for request in [create(1, "key", json!({ "title": "a", "description": "b" })), spelled] {
        let again = api.send(request).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
        for name in ["location", "etag", "content-type"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
        assert_eq!(again.body, first.body);
    }
    assert_eq!(tasks(&api).await, 1);
    // The answer stays the same after the task was changed or deleted.
    let task = first.header("location").unwrap();
    api.send(Request::new("PUT", task).user(1).json(json!({ "title": "changed" }))).await;
    assert_eq!(api.send(create(1, "key", json!({ "title": "a", "description": "b" }))).await.body, first.body);
    api.send(Request::new("DELETE", task).user(1)).await;
    assert_eq!(api.send(create(1, "key", json!({ "title": "a", "description": "b" }))).await.body, first.body);
    assert_eq!(tasks(&api).await, 0);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let api = api().await;
    api.send(create(1, "key", json!({ "title": "a" }))).await;
    for body in [json!({ "title": "b" }), json!({ "title": "a", "description": "" })] {
        let refused = api.send(create(1, "key", body)).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.json()["detail"][0]["loc"], json!(["header", "idempotency-key"]), "{}", refused.body);
    }
    let null = api.send(create(1, "key", json!({ "title": "a", "description": null }))).await;
    assert_eq!(null.header("idempotent-replayed"), Some("true"), "null is no description too");
    // Each user has their own keys.
    assert_eq!(api.send(create(2, "key", json!({ "title": "b" }))).await.status, 201);
    assert_eq!(tasks(&api).await, 2);
}

#[tokio::test]
async fn a_key_has_visible_characters() {
    let api = api().await;
    for key in ["", " ", "a b", "é", "\u{7f}", "\u{0}", &"x".repeat(256)] {
        let refused = api.send(create(1, key, json!({}))).await;
        let problems = refused.json()["detail"].as_array().unwrap().clone();
        assert_eq!(refused.status, 422, "{key:?}");
        let places: Vec<_> = problems.iter().map(|problem| problem["loc"].clone()).collect();
        assert_eq!(places, [json!(["header", "idempotency-key"]), json!(["body", "title"])], "{key:?}");
    }
    assert_eq!(api.send(create(1, &"x".repeat(255), json!({ "title": "a" }))).await.status, 201);
    assert_eq!(tasks(&api).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_at_the_same_moment_creates_one_task() {
    let api = Arc::new(api().await.processes(4));
    for round in 0..20 {
        let sent: Vec<_> = (0..4)
            .map(|_| {
                let (api, key) = (Arc::clone(&api), round.to_string());
                tokio::spawn(async move { api.send(create(1, &key, json!({ "title": "a" }))).await })
            })
            .collect();
        let mut answers = Vec::new();
        for sent in sent {
            answers.push(sent.await.unwrap());
        }
        let bodies: BTreeSet<_> = answers.iter().map(|answer| answer.body.clone()).collect();
        let first = |answer: &&Response| answer.header("idempotent-replayed").is_none();
        assert_eq!((bodies.len(), answers.iter().filter(first).count()), (1, 1), "{answers:?}");
        assert!(answers.iter().all(|answer| answer.status == 201));
        assert_eq!(tasks(&api).await, round + 1);
    }
}

#[tokio::test]
async fn keys_are_kept_for_a_day_and_go_with_the_next_create() {
    let api = api().await;
    for (key, age) in [("young", "23 hours 59 minutes"), ("old", "24 hours 1 minute"), ("older", "1 year")] {
        api.send(create(1, key, json!({ "title": key }))).await;
        let sql = format!(
            "UPDATE idempotency_key SET created_at = now() - INTERVAL '{age}' WHERE key = '{key}' AND user_id = 1;
             UPDATE task_owner SET keys_since = now() - INTERVAL '{age}' WHERE user_id = 1"
        );
        api.database.execute(&sql).await;
    }
    api.send(create(2, "another's", json!({ "title": "x" }))).await;
    api.send(create(1, "new", json!({ "title": "x" }))).await;
    let keys = "SELECT string_agg(key, ' ' ORDER BY key) FROM idempotency_key";
    assert_eq!(api.database.value::<String>(keys).await, "another's new young");
    let counts = "SELECT tasks || ' ' || keys FROM task_owner WHERE user_id = 1";
    assert_eq!(api.database.value::<String>(counts).await, "4 2");
    for (title, status) in [("young", 201), ("another", 422), ("young", 201)] {
        let again = api.send(create(1, "young", json!({ "title": title }))).await;
        let is_replay = again.header("idempotent-replayed") == Some("true");
        assert_eq!((again.status, is_replay), (status, status == 201));
    }
    assert_eq!(api.database.value::<String>(counts).await, "7 5", "bounds, which count what was sent again");
    api.send(Request::new("DELETE", "/api/users/me").user(1)).await;
    assert_eq!(api.database.value::<String>(keys).await, "another's");
}

#[tokio::test]
async fn the_task_limit_refuses_creates_and_not_replays() {
    let api = api().await.with("MAX_TASKS_PER_USER", "3");
    for key in ["a", "b"] {
        for _ in 0..3 {
            assert_eq!(api.send(create(1, key, json!({ "title": "x" }))).await.status, 201);
        }
    }
    let another = || Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "x" }));
    assert_eq!(api.send(another()).await.status, 201);
    for full in [another(), create(1, "c", json!({ "title": "x" }))] {
        let refused = api.send(full).await;
        let detail = json!({ "detail": "There are 3 tasks, as many as there may be" });
        assert_eq!((refused.status, refused.json()), (409, detail));
    }
    for _ in 0..4 {
        assert_eq!(api.send(create(1, "b", json!({ "title": "x" }))).await.status, 201, "it is there already");
    }
    assert_eq!(api.send(create(2, "c", json!({ "title": "x" }))).await.status, 201, "another has room");
    assert_eq!(tasks(&api).await, 4);
    let task: i64 = api.database.value("SELECT min(id) FROM task").await;
    api.send(Request::new("DELETE", &format!("/api/1/tasks/{task}")).user(1)).await;
    assert_eq!(api.send(create(1, "c", json!({ "title": "x" }))).await.status, 201);
}

#[tokio::test]
async fn a_task_that_the_client_has_is_not_sent_again() {
    let api = api().await;
    let created = api.send(create(1, "key", json!({ "title": "a" }))).await;
    let (path, tag) = (created.header("location").unwrap(), created.header("etag").unwrap());
    let get = |tags: &str| Request::new("GET", path).user(1).header("If-None-Match", tags);
    assert_eq!(api.send(Request::new("GET", path).user(1)).await.header("etag"), Some(tag));
    for known in [tag, "*", &format!("\"x\", W/{tag}"), &format!("{tag},\"y\"")] {
        let answer = api.send(get(known)).await;
        assert_eq!((answer.status, &*answer.body, answer.header("etag")), (304, "", Some(tag)), "{known}");
        assert!(answer.header("x-request-id").is_some() && answer.header("vary").is_some());
    }
    for unknown in ["", "\"\"", "x", &tag.replace('"', ""), "\"ffffffffffffffffffff\""] {
        assert_eq!(api.send(get(unknown)).await.status, 200, "{unknown}");
    }
    assert_eq!(api.send(Request::new("GET", path).user(2).header("If-None-Match", tag)).await.status, 403);
}

#[tokio::test]
async fn a_stale_change_is_refused_and_changes_nothing() {
    let api = api().await;
    let path = api.send(create(1, "key", json!({ "title": "a" }))).await.header("location").unwrap().to_owned();
    let complete = format!("{path}/complete");
    let row = "SELECT to_jsonb(task)::text FROM task";
    let changes = || {
        [
            Request::new("PUT", &path).user(1).json(json!({ "title": "b" })),
            Request::new("PATCH", &complete).user(1),
            Request::new("DELETE", &path).user(1),
        ]
    };
    let tag = async || api.send(Request::new("GET", &path).user(1)).await.header("etag").unwrap().to_owned();
    let stale = tag().await;
    api.send(Request::new("PUT", &path).user(1).json(json!({ "title": "b" }))).await;
    let current = tag().await;
    assert_ne!(stale, current);
    let before = api.database.value::<String>(row).await;
    for tags in [&*stale, "\"x\"", "", "\"x\", \"y\"", &format!("W/{current}"), "\"7fffffffffffffff\""] {
        for change in changes() {
            let refused = api.send(change.clone().header("If-Match", tags)).await;
            let detail = json!({ "detail": "The task has changed since" });
            assert_eq!((refused.status, refused.json()), (412, detail), "{tags} {change:?}");
        }
    }
    assert_eq!(api.database.value::<String>(row).await, before);
    // An answer has the tag for the next change.
    let mut last = current;
    for change in changes() {
        let answer = api.send(change.header("If-Match", &format!("\"x\", {last}"))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        last = answer.header("etag").unwrap_or_default().to_owned();
    }
    assert_eq!(tasks(&api).await, 0);
    for change in changes() {
        assert_eq!(api.send(change.header("If-Match", "*")).await.status, 404, "there is none to match");
    }
}

#[tokio::test]
async fn a_condition_does_not_tell_of_others_tasks() {
    let api = api().await;
    let others = api.database.task(2, "another's").await;
    for (id, status) in [(others, 403), (999_999, 404)] {
        for tags in ["\"1\"", "*"] {
            let put = Request::new("PUT", &format!("/api/1/tasks/{id}")).user(1).json(json!({ "title": "b" }));
            assert_eq!(api.send(put.header("If-Match", tags)).await.status, status);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_of_one_version_one_wins() {
    let api = Arc::new(api().await.processes(4));
    let id = api.database.task(1, "a").await;
    let path = format!("/api/1/tasks/{id}");
    for round in 0..20 {
        let tag = api.send(Request::new("GET", &path).user(1)).await.header("etag").unwrap().to_owned();
        let sent: Vec<_> = (0..4)
            .map(|change| {
                let title = format!("{round}.{change}");
                let put = Request::new("PUT", &path).user(1).header("If-Match", &tag).json(json!({ "title": title }));
                let api = Arc::clone(&api);
                tokio::spawn(async move { (title, api.send(put).await.status) })
            })
            .collect();
        let mut winners = Vec::new();
        for sent in sent {
            let (title, status) = sent.await.unwrap();
            assert!([200, 412].contains(&status), "{status}");
            winners.extend((status == 200).then_some(title));
        }
        assert_eq!(winners, [api.database.value::<String>("SELECT title FROM task").await]);
    }
}

#[tokio::test]
async fn completing_can_say_what_to_set() {
    let api = api().await;
    let id = api.database.task(1, "a").await;
    let complete = || Request::new("PATCH", &format!("/api/1/tasks/{id}/complete")).user(1);
    for (body, completed) in [
        (json!({ "completed": true }), true),
        (json!({ "completed": true }), true),
        (json!({ "completed": "off" }), false),
        (json!({ "completed": 0 }), false),
        (json!({}), true),
        (json!(null), false),
        (json!({ "other": 1 }), true),
    ] {
        let answer = api.send(complete().json(body.clone())).await;
        assert_eq!((answer.status, &answer.json()["completed"]), (200, &json!(completed)), "{body}");
    }
    assert_eq!(api.send(complete().raw("application/json", "")).await.json()["completed"], false);
    assert_eq!(api.send(complete().raw("text/plain", "")).await.json()["completed"], true);
    for (body, kind) in [
        (r#"{"completed":null}"#, "bool_type"),
        (r#"{"completed":2}"#, "bool_parsing"),
        ("[]", "model_attributes_type"),
        ("{", "json_invalid"),
    ] {
        let refused = api.send(complete().raw("application/json", body)).await;
        assert_eq!((refused.status, &refused.json()["detail"][0]["type"]), (422, &json!(kind)), "{body}");
    }
    assert!(api.database.value::<bool>("SELECT completed FROM task").await);
}
