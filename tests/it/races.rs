//! Requests at the same moment, to the same rows.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use tests::{Api, Request};

/// Sends all of them at once.
async fn together(api: &Arc<Api>, requests: Vec<Request>) -> Vec<u64> {
    let sent: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let api = Arc::clone(api);
            tokio::spawn(async move { api.send(request).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for sent in sent {
        statuses.push(sent.await.unwrap());
    }
    statuses
}

fn count(statuses: &[u64]) -> BTreeMap<u64, usize> {
    statuses.iter().fold(BTreeMap::new(), |mut counts, status| {
        *counts.entry(*status).or_default() += 1;
        counts
    })
}

async fn with_user() -> Arc<Api> {
    let api = Api::new().await.processes(4);
    api.database.users(&[1]).await;
    Arc::new(api)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_toggle_counts() {
    let api = with_user().await;
    let id = api.database.task(1, "x").await;
    for round in 1..=10 {
        // An odd number, so that the task ends up changed.
        let toggles = vec![Request::new("PATCH", &format!("/api/1/tasks/{id}/complete")).user(1); 7];
        assert_eq!(count(&together(&api, toggles).await), [(200, 7)].into());
        let completed: bool = api.database.value("SELECT completed FROM task").await;
        assert_eq!(completed, round % 2 == 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_different_fields_are_both_kept() {
    let api = with_user().await;
    for _ in 0..20 {
        let id = api.database.task(1, "old").await;
        let put = |body| Request::new("PUT", &format!("/api/1/tasks/{id}")).user(1).json(body);
        let both = vec![put(json!({ "title": "new" })), put(json!({ "description": "new" }))];
        assert_eq!(together(&api, both).await, [200, 200]);
        let sql = format!("SELECT title || description FROM task WHERE id = {id}");
        assert_eq!(api.database.value::<String>(&sql).await, "newnew");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_deleted_once_and_stays_deleted() {
    let api = with_user().await;
    for _ in 0..30 {
        let id = api.database.task(1, "x").await;
        let path = format!("/api/1/tasks/{id}");
        let delete = Request::new("DELETE", &path).user(1);
        let update = Request::new("PUT", &path).user(1).json(json!({ "title": "y" }));
        let toggle = Request::new("PATCH", &format!("{path}/complete")).user(1);
        let statuses = together(&api, vec![update, delete.clone(), toggle, delete]).await;
        assert!(statuses.iter().all(|status| [200, 404].contains(status)), "{statuses:?}");
        assert_eq!(count(&[statuses[1], statuses[3]]), [(200, 1), (404, 1)].into());
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 0);
}

/// A statement that waits for a deletion sees the task as the owner's in its snapshot and finds
/// nothing to change: that is "not found", never "not yours" or a failure.
#[tokio::test]
async fn a_write_that_waited_for_a_deletion_finds_nothing() {
    let api = Arc::new(Api::new().await);
    api.database.users(&[1]).await;
    for (method, path) in [("PUT", ""), ("DELETE", ""), ("PATCH", "/complete")] {
        let id = api.database.task(1, "x").await;
        let request = Request::new(method, &format!("/api/1/tasks/{id}{path}")).user(1).json(json!({ "title": "y" }));
        api.database.execute(&format!("BEGIN; DELETE FROM task WHERE id = {id}")).await;
        let sent = {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.send(request).await })
        };
        api.database.wait_for_blocked().await;
        api.database.execute("COMMIT").await;
        assert_eq!(sent.await.unwrap().status, 404, "{method}");
    }
}

#[tokio::test]
async fn a_task_for_a_user_who_is_being_deleted_is_nobodys() {
    let api = Arc::new(Api::new().await);
    api.database.users(&[1]).await;
    api.database.execute(r#"BEGIN; DELETE FROM "user" WHERE id = 1"#).await;
    let sent = {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            api.send(Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "x" }))).await
        })
    };
    api.database.wait_for_blocked().await;
    api.database.execute("COMMIT").await;
    assert_eq!(sent.await.unwrap().status, 401);
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_me_races_creating() {
    let api = with_user().await;
    for user in 100..120 {
        api.database.users(&[user]).await;
        let create = Request::new("POST", &format!("/api/{user}/tasks")).user(user).json(json!({ "title": "x" }));
        let delete = Request::new("DELETE", "/api/users/me").user(user);
        let statuses = together(&api, vec![create.clone(), delete, create]).await;
        assert_eq!(statuses[1], 200);
        assert!([statuses[0], statuses[2]].iter().all(|status| [201, 401].contains(status)), "{statuses:?}");
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 0);
}
