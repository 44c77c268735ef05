//! Who runs `up`: another login than before, one that may not make roles, and logins and databases with any names.

use serde_json::{Value, json};
use shared::db::RELEASE_SCHEMA;
use tests::{
    Api, Request,
    pgbouncer::PASSWORD,
    postgres::{Database, port},
};
use tokio_postgres::{Client, Config, NoTls};

/// The message of a failed `up`.
async fn refused(url: &str) -> String {
    let error = tests::migrate(url, &[]).await.unwrap_err();
    error["errorMessage"].as_str().unwrap().to_owned()
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// What a member of the tables' owner makes belongs to that owner, who can go on with it.
#[tokio::test]
async fn another_login_migrates_for_the_owner() {
    let database = Database::empty().await;
    database.give_away().await;
    let (owner_url, owner) = (database.url_of_owner_at(port()), database.name().to_owned());
    let member = format!("{owner}_member");
    let member_url = owner_url.replace(&format!("//{owner}:"), &format!("//{member}:"));
    let sql = format!("CREATE ROLE {member} LOGIN CREATEROLE PASSWORD '{PASSWORD}' IN ROLE {owner}");
    database.execute(&sql).await;
    tests::migrate(&owner_url, &[]).await.unwrap();
    database.users(&[1, 2]).await;
    let task = database.task(1, "x").await;
    let api = Api::over(database, &owner_url);
    let database = &api.database;
    let kept = format!("task_api_{:016x}", 0);
    database.execute(&format!("CREATE SCHEMA {kept} AUTHORIZATION {member}; COMMENT ON SCHEMA {kept} IS 'kept'")).await;
    let superuser_url = database.url();
    for url in [&member_url, &superuser_url] {
        // Now `up` makes the policies and the functions again.
        let lost = format!("ALTER TABLE task DISABLE ROW LEVEL SECURITY; DROP SCHEMA {RELEASE_SCHEMA} CASCADE");
        database.execute(&lost).await;
        let variables = [("DATABASE_URL", owner_url.as_str()), ("DATABASE_URL_UNPOOLED", url.as_str())];
        assert_eq!(tests::migrate(url, &variables).await.unwrap()["functions"], "present");
        assert_eq!(api.send(Request::new("GET", "/health")).await.status, 200);
        for (user, status) in [(1, 200), (2, 403)] {
            let get = Request::new("GET", &format!("/api/tasks/{task}")).user(user);
            assert_eq!(api.send(get).await.status, status, "{url}");
        }
        let client = connect(&owner_url.parse().unwrap()).await;
        let count: i64 = client.query_one("SELECT count(*) FROM task_api.task", &[]).await.unwrap().get(0);
        assert_eq!(count, 1, "the owner sees all rows");
        let changed = client.execute("UPDATE task_api.task SET title = title || 'x'", &[]).await.unwrap();
        assert_eq!(changed, 1);
        assert_eq!(tests::migrate(&owner_url, &[]).await.unwrap()["functions"], "present");
    }
    database.execute(&format!("REVOKE {owner} FROM {member}")).await;
    let message = refused(&member_url).await;
    assert!(message.contains(&format!("migrate as {owner}")) && !message.contains('\n'), "{message}");
    assert!(database.value::<bool>(&format!("SELECT to_regnamespace('{kept}') IS NOT NULL")).await);
}

/// What the message says to run is enough.
#[tokio::test]
async fn a_login_that_may_not_make_roles_is_told_what_to_run() {
    for made_before in [false, true] {
        let database = Database::empty().await;
        database.give_away().await;
        let (url, name) = (database.url_of_owner_at(port()), database.name().to_owned());
        database.execute(&format!("ALTER ROLE {name} NOCREATEROLE")).await;
        if made_before {
            database.execute(&format!("CREATE ROLE task_api_{name} NOLOGIN")).await;
        }
        let message = refused(&url).await;
        let (_, advice) = message.split_once("have an administrator run ").unwrap_or_else(|| panic!("{message}"));
        database.execute(advice).await;
        for _ in 0..2 {
            assert_eq!(tests::migrate(&url, &[]).await.unwrap()["functions"], "present");
        }
        let api = Api::over(database, &url);
        assert_eq!(api.send(Request::new("GET", "/health")).await.status, 200);
    }
}

/// A users table that hides its rows from its own owner.
#[tokio::test]
async fn a_users_table_that_forces_its_policies_is_named() {
    let database = Database::empty().await;
    database.give_away().await;
    let url = database.url_of_owner_at(port());
    tests::migrate(&url, &[]).await.unwrap();
    database.execute(r#"ALTER TABLE "user" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"#).await;
    let message = refused(&url).await;
    assert!(message.contains(r#"run ALTER TABLE public."user" NO FORCE ROW LEVEL SECURITY"#), "{message}");
}

/// Names with capital letters and everything else that a name may have.
#[tokio::test]
async fn names_may_have_any_characters() {
    let server: Config = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL").parse().unwrap();
    let admin = connect(&server).await;
    for (name, encoded) in [("MyApp", "MyApp"), ("o'b %s $$ \"x\" ü", "o%27b%20%25s%20%24%24%20%22x%22%20%C3%BC")] {
        let name = format!("{name} {}", std::process::id()).replace("MyApp ", "MyApp-");
        let encoded = format!("{encoded}%20{}", std::process::id()).replace("MyApp%20", "MyApp-");
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        for sql in [
            format!("CREATE ROLE {quoted} LOGIN CREATEROLE PASSWORD '{PASSWORD}'"),
            format!("CREATE DATABASE {quoted} OWNER {quoted}"),
        ] {
            admin.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        let url = format!("postgres://{encoded}:{PASSWORD}@127.0.0.1:{}/{encoded}?sslmode=disable", port());
        for _ in 0..2 {
            let report = tests::migrate(&url, &[]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(report["functions"], "present", "{name}");
        }
        let client = connect(&url.parse().unwrap()).await;
        let health = format!("SELECT {RELEASE_SCHEMA}.health()");
        let problem: Option<String> = client.query_one(&health, &[]).await.unwrap().get(0);
        assert_eq!(problem, None, "{name}");
        let down: Value = tests::migrate_with(&url, &json!({ "action": "down", "to": 0 })).await.unwrap();
        assert_eq!(down["version"], 0, "{name}");
        admin.batch_execute(&format!("DROP DATABASE {quoted} WITH (FORCE)")).await.unwrap();
    }
}
