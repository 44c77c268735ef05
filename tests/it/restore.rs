//! The steps of docs/restore.md: from "somebody dropped the table" to serving again. Neon would restore a branch to
//! an earlier time. Here, a copy of the database stands for the earlier branch, and takes over the database's name.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::db::RELEASE_SCHEMA;
use tests::{Api, Request, postgres::Database, runtime::Function};
use tokio_postgres::{Client, NoTls};

async fn admin() -> Client {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the tests' server");
    tokio::spawn(connection);
    client
}

/// Ends all sessions in a database, as Neon does when it restores a branch.
async fn end_sessions(admin: &Client, database: &str) {
    let sql = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1";
    admin.execute(sql, &[&database]).await.unwrap();
}

async fn migrate(database: &Database, action: &str) -> Value {
    let environment = BTreeMap::from([("DATABASE_URL".to_owned(), database.url())]);
    Function::start("migrate", &environment, 1).await.invoke(&json!({ "action": action })).await.unwrap()
}

#[tokio::test]
async fn a_dropped_table_comes_back_and_the_functions_serve_again() {
    let admin = admin().await;
    let api = Api::new().await;
    let name = api.database.name().to_owned();
    api.database.users(&[1]).await;
    let list = || Request::new("GET", "/api/1/tasks").user(1);
    let create = |title: &str| Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": title }));
    assert_eq!(api.send(create("Kept")).await.status, 201);
    // The time to restore is before the newest deployment, so this release's functions do not exist yet.
    api.database.execute(&format!("DROP SCHEMA {RELEASE_SCHEMA} CASCADE")).await;
    end_sessions(&admin, &name).await;
    admin.batch_execute(&format!("CREATE DATABASE {name}_then TEMPLATE {name}")).await.unwrap();
    let before = Value::from(vec!["Kept"]);

    migrate(&api.database, "up").await;
    assert_eq!(api.send(create("Lost with the time after")).await.status, 201);
    let now = api.database.connect_again().await.unwrap();
    now.batch_execute("DROP TABLE task_api.task CASCADE").await.unwrap();
    drop(now);
    // Users see this, and it sets off the alarm Unhealthy.
    assert!(api.send(list()).await.status >= 500);
    assert_eq!(api.send(Request::new("GET", "/health")).await.status, 503);

    // 1. The branch is restored: the sessions end, and the same address leads to the earlier data.
    end_sessions(&admin, &name).await;
    admin.batch_execute(&format!("ALTER DATABASE {name} RENAME TO {name}_dropped")).await.unwrap();
    admin.batch_execute(&format!("ALTER DATABASE {name}_then RENAME TO {name}")).await.unwrap();
    // 2. `status` reports what is missing, and `up` creates it.
    let status = migrate(&api.database, "status").await;
    assert_eq!(status["functions"], "missing", "{status}");
    assert_eq!(api.send(Request::new("GET", "/health")).await.status, 503);
    let report = migrate(&api.database, "up").await;
    assert_eq!((&report["functions"], &report["pending"]), (&json!("present"), &json!([])), "{report}");
    // 3. The same environments serve again.
    assert_eq!(api.send(Request::new("GET", "/health")).await.status, 200);
    let tasks = api.send(list()).await;
    assert_eq!(tasks.status, 200, "{}", tasks.body);
    let titles: Value = tasks.json().as_array().unwrap().iter().map(|task| task["title"].clone()).collect();
    assert_eq!(titles, before);
    // New ids continue where they were: no new task gets the id of an earlier task.
    let created = api.send(create("After")).await;
    assert_eq!(created.status, 201, "{}", created.body);
}
