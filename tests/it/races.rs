//! Requests at the same moment for the same rows.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use tests::{
    Api, Request,
    identity::{Identity, Users},
};

/// Sends all requests at once.
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

/// An API with one user, for each kind of users.
async fn each() -> Vec<Arc<Api>> {
    let mut apis = Vec::new();
    for identity in Identity::EACH {
        let api = Api::of(identity).await.processes(4);
        api.database.users(&[1]).await;
        apis.push(Arc::new(api));
    }
    apis
}

fn own(api: &Api, method: &str, path: &str) -> Request {
    api.database.identity.request(method, 1, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_toggle_counts() {
    for api in each().await {
        toggles_count(api).await;
    }
}

async fn toggles_count(api: Arc<Api>) {
    let id = api.database.task(1, "x").await;
    for round in 1..=10 {
        // An odd number of toggles, so that the task is changed in the end.
        let toggles = vec![own(&api, "PATCH", &format!("/{id}/complete")); 7];
        assert_eq!(count(&together(&api, toggles).await), [(200, 7)].into());
        let completed: bool = api.database.value("SELECT completed FROM task").await;
        assert_eq!(completed, round % 2 == 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_different_fields_are_both_kept() {
    for api in each().await {
        updates_are_kept(api).await;
    }
}

async fn updates_are_kept(api: Arc<Api>) {
    for _ in 0..20 {
        let id = api.database.task(1, "old").await;
        let put = |body| own(&api, "PUT", &format!("/{id}")).json(body);
        let both = vec![put(json!({ "title": "new" })), put(json!({ "description": "new" }))];
        assert_eq!(together(&api, both).await, [200, 200]);
        let sql = format!("SELECT title || description FROM task WHERE id = {id}");
        assert_eq!(api.database.value::<String>(&sql).await, "newnew");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_deleted_once_and_stays_deleted() {
    for api in each().await {
        deleted_once(api).await;
    }
}

async fn deleted_once(api: Arc<Api>) {
    for _ in 0..30 {
        let id = api.database.task(1, "x").await;
        let delete = own(&api, "DELETE", &format!("/{id}"));
        let update = own(&api, "PUT", &format!("/{id}")).json(json!({ "title": "y" }));
        let toggle = own(&api, "PATCH", &format!("/{id}/complete"));
        let statuses = together(&api, vec![update, delete.clone(), toggle, delete]).await;
        assert!(statuses.iter().all(|status| [200, 404].contains(status)), "{statuses:?}");
        assert_eq!(count(&[statuses[1], statuses[3]]), [(200, 1), (404, 1)].into());
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 0);
}

/// A statement that waits for a deletion still sees the task in its snapshot, as the owner's, and finds no row to
/// change. The answer must be "not found", and not "not yours" or a failure.
#[tokio::test]
async fn a_write_that_waited_for_a_deletion_finds_nothing() {
    for api in each().await {
        waited_for_a_deletion(api).await;
    }
}

async fn waited_for_a_deletion(api: Arc<Api>) {
    for (method, path) in [("PUT", ""), ("DELETE", ""), ("PATCH", "/complete")] {
        let id = api.database.task(1, "x").await;
        let request = own(&api, method, &format!("/{id}{path}")).json(json!({ "title": "y" }));
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
    for api in each().await {
        let identity = api.database.identity;
        let Some(table) = identity.table() else { continue };
        api.database.execute(&format!("BEGIN; DELETE FROM {table} WHERE id = {}", identity.sql(1))).await;
        let sent = {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.send(own(&api, "POST", "").json(json!({ "title": "x" }))).await })
        };
        api.database.wait_for_blocked().await;
        api.database.execute("COMMIT").await;
        assert_eq!(sent.await.unwrap().status, 401, "{identity:?}");
        assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 0, "{identity:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_me_races_creating() {
    for api in each().await {
        let identity = api.database.identity;
        if identity.users == Users::None {
            continue;
        }
        for user in 100..120 {
            api.database.users(&[user]).await;
            let create = identity.request("POST", user, "").json(json!({ "title": "x" }));
            let keyed = create.clone().header("Idempotency-Key", "key");
            if user % 2 == 0 {
                assert_eq!(api.send(keyed.clone()).await.status, 201, "{identity:?}");
            }
            let delete = Request::new("DELETE", "/api/users/me").bearer(&identity.token(user));
            let statuses = together(&api, vec![create.clone(), keyed.clone(), delete, keyed, create]).await;
            assert_eq!(statuses[2], 200, "{identity:?}");
            let creates = statuses.iter().enumerate().filter(|(place, _)| *place != 2);
            assert!(creates.map(|(_, status)| status).all(|status| [201, 401].contains(status)), "{statuses:?}");
        }
        for table in ["task", "idempotency_key", "task_owner"] {
            let left = format!("SELECT count(*) FROM {table}");
            assert_eq!(api.database.value::<i64>(&left).await, 0, "{table} {identity:?}");
        }
    }
}

/// A create that is sent again waits for its first one, and the deletion of its user waits for both. The create must
/// not need anything then that the deletion has: of a deadlock, Better Auth's DELETE would be the victim.
#[tokio::test]
async fn a_create_sent_again_does_not_wait_for_the_deletion_of_its_user() {
    for api in each().await {
        let identity = api.database.identity;
        let Some(table) = identity.table() else { continue };
        let create = own(&api, "POST", "").json(json!({ "title": "x" }));
        assert_eq!(api.send(create.clone()).await.status, 201, "{identity:?}");
        let id = identity.sql(1);
        api.database
            .execute(&format!(
                "BEGIN;
                INSERT INTO idempotency_key (user_id, key, fingerprint, task_id) VALUES ({id}, 'key', '', 1)"
            ))
            .await;
        let again = {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.send(create.header("Idempotency-Key", "key")).await })
        };
        api.database.wait_for_blocked().await;
        let deletion = {
            let (client, sql) = (api.database.connect_again().await, format!("DELETE FROM {table} WHERE id = {id}"));
            tokio::spawn(async move { client.unwrap().batch_execute(&sql).await })
        };
        api.database.wait_for_all_blocked(2).await;
        api.database.execute("COMMIT").await;
        assert_eq!(again.await.unwrap().status, 422, "{identity:?}");
        deletion.await.unwrap().unwrap();
        assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task_owner").await, 0, "{identity:?}");
    }
}

/// Creates of one user at the same moment. The limit is exact, and a key creates one task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_at_once_respect_the_limit_and_the_key() {
    for identity in Identity::EACH {
        let api = Arc::new(Api::of(identity).await.processes(4).with("MAX_TASKS_PER_USER", "5"));
        api.database.users(&[1]).await;
        let create = || own(&api, "POST", "").json(json!({ "title": "x" }));
        let keyed = vec![create().header("Idempotency-Key", "k"); 6];
        assert_eq!(count(&together(&api, keyed).await), [(201, 6)].into(), "{identity:?}");
        let statuses = together(&api, (0..8).map(|_| create()).collect()).await;
        assert_eq!(count(&statuses), [(201, 4), (409, 4)].into(), "{identity:?}");
    }
}
