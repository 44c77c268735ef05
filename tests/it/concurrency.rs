//! Several requests at once in one environment, as on Lambda Managed Instances.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tests::{Api, Request};

const AT_ONCE: i32 = 8;

/// An API with one process for each function. Each process serves this number of users at once.
async fn api() -> Arc<Api> {
    let api = Api::new().await.with("AWS_LAMBDA_MAX_CONCURRENCY", &AT_ONCE.to_string());
    api.database.users(&(1..=AT_ONCE).collect::<Vec<_>>()).await;
    Arc::new(api)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_run_at_once_on_a_connection_each() {
    let api = api().await;
    let first = api.database.task(1, "x").await;
    for user in 2..=AT_ONCE {
        api.database.task(user, "x").await;
    }
    api.database.execute("BEGIN; SELECT FROM task FOR UPDATE").await;
    let sent: Vec<_> = (1..=AT_ONCE)
        .map(|user| {
            let (api, id) = (Arc::clone(&api), first + i64::from(user) - 1);
            let complete = Request::new("PATCH", &format!("/api/{user}/tasks/{id}/complete")).user(user);
            tokio::spawn(async move { api.send(complete).await.status })
        })
        .collect();
    // All requests wait, and none is done.
    api.database.wait_for_all_blocked(AT_ONCE.into()).await;
    api.database.execute("ROLLBACK").await;
    for sent in sent {
        assert_eq!(sent.await.unwrap(), 200);
    }
}

/// The caller of a request must not change to another request's, in the database or in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_do_not_mix() {
    let api = api().await;
    let sent: Vec<_> = (0..400)
        .map(|count| {
            let (api, user) = (Arc::clone(&api), count % AT_ONCE + 1);
            tokio::spawn(async move {
                let request = Request::new("POST", &format!("/api/{user}/tasks")).user(user);
                let answer = api.send(request.json(json!({ "title": format!("of {user}") }))).await;
                assert_eq!(answer.status, 201, "{}", answer.body);
                assert_eq!(answer.json()["user_id"], user);
                (answer.header("x-request-id").unwrap().to_owned(), user)
            })
        })
        .collect();
    let mut told = BTreeSet::new();
    for sent in sent {
        told.insert(sent.await.unwrap());
    }
    let wrong = "SELECT count(*) FROM task WHERE title <> 'of ' || user_id";
    assert_eq!(api.database.value::<i64>(wrong).await, 0);
    let logged =
        |line: Value| Some((line["request_id"].as_str()?.to_owned(), i32::try_from(line["user_id"].as_i64()?).ok()?));
    let logged: BTreeSet<_> = api.log().await.into_iter().filter_map(logged).collect();
    assert_eq!(logged, told);
}

/// A panic affects one request only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_leaves_the_others_alone() {
    let api = api().await;
    api.database.task(1, "x").await;
    api.database.break_list().await;
    for _ in 0..20 {
        let sent: Vec<_> = (1..=AT_ONCE)
            .map(|user| {
                let api = Arc::clone(&api);
                let list = Request::new("GET", &format!("/api/{user}/tasks")).user(user);
                tokio::spawn(async move { (user, api.send(list).await.status) })
            })
            .collect();
        for sent in sent {
            let (user, status) = sent.await.unwrap();
            assert_eq!(status, if user == 1 { 500 } else { 200 }, "user {user}");
        }
    }
}
