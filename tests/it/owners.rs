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
    let version = "SELECT current_setting('server_version_num')::INTEGER";
    let version: i32 = admin.query_one(version, &[]).await.unwrap().get(0);
    // Before version 16, the login has to inherit the rights of the role that it makes.
    let inherit = if version < 160_000 { "INHERIT" } else { "NOINHERIT" };
    for (name, encoded) in [("MyApp", "MyApp"), ("o'b %s $$ \"x\" ü", "o%27b%20%25s%20%24%24%20%22x%22%20%C3%BC")] {
        let name = format!("{name} {}", std::process::id()).replace("MyApp ", "MyApp-");
        let encoded = format!("{encoded}%20{}", std::process::id()).replace("MyApp%20", "MyApp-");
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        for sql in [
            format!("CREATE ROLE {quoted} LOGIN CREATEROLE {inherit} PASSWORD '{PASSWORD}'"),
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

/// Functions and operators in `public` do not run with the rights of the login that migrates, which may be a superuser.
#[tokio::test]
async fn up_runs_nobody_elses_code() {
    let database = Database::empty().await;
    database.give_away().await;
    for (function, result) in [
        ("quote_ident(name)", "text"),
        ("format(text, name)", "text"),
        ("format(text, name, name)", "text"),
        ("has_database_privilege(name, text)", "boolean"),
        ("matches(name, text)", "boolean"),
        ("matches(name, name)", "boolean"),
        ("matches(text, name)", "boolean"),
        ("md5(varchar)", "text"),
    ] {
        let body = "LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$";
        database.execute(&format!("CREATE FUNCTION public.{function} RETURNS {result} {body}")).await;
    }
    for (left, right) in [("name", "text"), ("name", "name"), ("text", "name")] {
        for operator in ["=", "<>", "~", "||"] {
            let arguments = format!("FUNCTION = public.matches, LEFTARG = {left}, RIGHTARG = {right}");
            database.execute(&format!("CREATE OPERATOR public.{operator} ({arguments})")).await;
        }
    }
    let owner_url = database.url_of_owner_at(port());
    for url in [owner_url.clone(), database.url(), owner_url.clone()] {
        assert_eq!(tests::migrate(&url, &[]).await.unwrap()["functions"], "present");
    }
    let adopt = tests::migrate_with(&owner_url, &json!({ "action": "adopt", "dry_run": true })).await.unwrap_err();
    assert!(adopt.to_string().contains("there is no table task or tasks"), "{adopt}");
    let down = tests::migrate_with(&owner_url, &json!({ "action": "down", "to": 0 })).await.unwrap();
    assert_eq!(down["version"], 0);
}

/// Somebody who may make schemas knows the name of the next release's.
#[tokio::test]
async fn functions_that_somebody_else_made_are_not_ours() {
    let database = Database::empty().await;
    database.give_away().await;
    let (url, name) = (database.url_of_owner_at(port()), database.name().to_owned());
    let other = format!("{name}_other");
    database.execute(&format!("CREATE ROLE {other}; CREATE SCHEMA {RELEASE_SCHEMA} AUTHORIZATION {other}")).await;
    let message = refused(&url).await;
    assert!(message.contains(&format!("{RELEASE_SCHEMA} belongs to {other}")), "{message}");
    database.execute(&format!("DROP SCHEMA {RELEASE_SCHEMA}")).await;
    tests::migrate(&url, &[]).await.unwrap();
    // Privileges of everybody that another role has granted.
    let grant = format!(
        "GRANT USAGE ON SCHEMA task_api TO {other}; GRANT SELECT ON task_api.task TO {other} WITH GRANT OPTION;
         SET ROLE {other}; GRANT SELECT ON task_api.task TO PUBLIC; RESET ROLE"
    );
    database.execute(&grant).await;
    let message = refused(&url).await;
    assert!(message.contains(&format!("have {other} run REVOKE ALL ON task_api.task FROM PUBLIC")), "{message}");
    // A view of somebody else's in our schema is none of our business.
    database
        .execute(&format!(
            "DROP OWNED BY {other}; CREATE VIEW task_api.report AS SELECT count(*) FROM task_api.task;
             ALTER TABLE task_api.task DISABLE ROW LEVEL SECURITY"
        ))
        .await;
    tests::migrate(&url, &[]).await.unwrap();
    // The functions must not be in a role whose policies show more.
    let role = database.functions_role().await;
    let api = Api::over(database, &url);
    for (change, status) in [("GRANT pg_monitor TO", 503), ("REVOKE pg_monitor FROM", 200)] {
        api.database.execute(&format!("{change} {role}")).await;
        assert_eq!(api.send(Request::new("GET", "/health")).await.status, status, "{change}");
    }
}

/// Another login may have another search path, and finds the users table that was found at first.
#[tokio::test]
async fn the_users_table_stays_the_same() {
    let database = Database::empty().await;
    database.give_away().await;
    let (url, name) = (database.url_of_owner_at(port()), database.name().to_owned());
    database
        .execute(&format!("CREATE SCHEMA app AUTHORIZATION {name}; ALTER ROLE {name} SET search_path = app, public"))
        .await;
    tests::migrate(&url, &[]).await.unwrap();
    tests::migrate(&database.url(), &[("DATABASE_URL", &url)]).await.unwrap();
    let tables: String = database
        .value("SELECT string_agg(oid::REGCLASS::TEXT, ' ') FROM pg_class WHERE relname = 'user' AND relkind = 'r'")
        .await;
    assert_eq!(tables, "app.\"user\"");
}
