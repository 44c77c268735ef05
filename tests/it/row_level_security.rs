//! The second lock: statements that forget whose rows they mean.

use serde_json::{Value, json};
use shared::{
    auth::{Owner, Verifier},
    config::Env,
    db::{Db, ROLE, Repeat},
    http::ServerEvent,
};
use tests::{Api, SECRET, postgres::Database, token};

/// The owner that a token of `user` proves.
async fn owner(user: i32) -> Owner {
    let env: Env = [("BETTER_AUTH_SECRET", SECRET)].into_iter().collect();
    let event = json!({
        "rawPath": "/api/users/me",
        "headers": { "authorization": format!("Bearer {}", token::of(user)) },
        "requestContext": { "http": { "method": "GET" } },
    });
    let event: ServerEvent = serde_json::from_str(&event.to_string()).unwrap();
    Verifier::new(&env.auth().unwrap()).caller(event.request().unwrap()).await.unwrap().of_me()
}

/// A database with two users who have two tasks and a key each.
async fn database() -> Database {
    let database = Database::migrated().await;
    database.users(&[1, 2]).await;
    for user in [1, 1, 2, 2] {
        database.task(user, "x").await;
    }
    database.execute(r"INSERT INTO idempotency_key VALUES (1, 'k', '\x00', 1), (2, 'k', '\x00', 3)").await;
    database
}

fn db(database: &Database, row_level_security: bool) -> Db {
    Db::new(&database.url().parse().unwrap(), row_level_security, 1).unwrap()
}

/// The statements of the stores without `WHERE`; `$1` is there, and says nothing.
const FORGETFUL: [&str; 6] = [
    "SELECT user_id FROM task WHERE $1 > 0",
    "SELECT user_id FROM idempotency_key WHERE $1 > 0",
    r#"SELECT id FROM "user" WHERE $1 > 0"#,
    "UPDATE task SET title = 'changed' WHERE $1 > 0 RETURNING user_id",
    r#"UPDATE "user" SET name = 'changed' WHERE $1 > 0 RETURNING id"#,
    "DELETE FROM task WHERE $1 > 0 RETURNING user_id",
];

#[tokio::test]
async fn a_statement_without_its_where_sees_no_foreign_row() {
    let database = database().await;
    let locked = db(&database, true);
    for sql in FORGETFUL {
        let rows = locked.query(owner(1).await, Repeat::Never, sql, &[]).await.unwrap();
        let users: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        assert!(!users.is_empty() && users.iter().all(|user| *user == 1), "{sql}: {users:?}");
    }
    let left = "SELECT count(*) FROM task WHERE user_id = 2 AND title = 'x'";
    assert_eq!(database.value::<i64>(left).await, 2);
    // Without the lock, the same statement sees everyone's: it is the lock that holds.
    let open = db(&database, false);
    let rows = open.query(owner(1).await, Repeat::Never, FORGETFUL[1], &[]).await.unwrap();
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn rows_for_another_user_cannot_be_written() {
    let database = database().await;
    let locked = db(&database, true);
    for sql in [
        "INSERT INTO task (user_id, title) SELECT 2, 'x' WHERE $1 > 0",
        r"INSERT INTO idempotency_key SELECT 2, 'other', '\x00', 1 WHERE $1 > 0",
        "UPDATE task SET user_id = 2 WHERE user_id = $1",
        r#"UPDATE "user" SET email = 'x' WHERE id = $1"#,
        r#"UPDATE "user" SET "emailVerified" = TRUE WHERE id = $1"#,
        r#"INSERT INTO "user" (name, email, "emailVerified") SELECT 'x', 'x', TRUE WHERE $1 > 0"#,
    ] {
        let error = locked.query(owner(1).await, Repeat::Never, sql, &[]).await.expect_err(sql);
        let causes = shared::telemetry::causes(&error).join(": ");
        assert!(causes.contains("42501"), "{sql}: {causes}");
    }
}

/// What [`ROLE`] may do without a caller, and beyond the rows.
#[tokio::test]
async fn the_role_sees_nothing_without_a_caller_and_can_do_nothing_else() {
    let database = database().await;
    for caller in ["", "SET LOCAL task_api.user_id = '';", "SET LOCAL task_api.user_id = '3';"] {
        for table in ["task", "idempotency_key", r#""user""#] {
            database.execute(&format!("BEGIN; SET LOCAL ROLE {ROLE}; {caller}")).await;
            let count = format!("SELECT count(*) FROM (SELECT {} FROM {table}) AS seen", column(table));
            assert_eq!(database.value::<i64>(&count).await, 0, "{table} {caller}");
            database.execute("ROLLBACK").await;
        }
    }
    for sql in [
        "CREATE TABLE x ()",
        "ALTER TABLE task DISABLE ROW LEVEL SECURITY",
        "DROP TABLE task",
        "TRUNCATE task",
        "CREATE POLICY all_of_them ON task USING (TRUE)",
        "SELECT * FROM refinery_schema_history",
        "ALTER ROLE task_api BYPASSRLS",
    ] {
        database.execute(&format!("BEGIN; SET LOCAL ROLE {ROLE}")).await;
        let error = database.client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some("42501"), "{sql}: {error:?}");
        database.execute("ROLLBACK").await;
    }
    let attributes = format!("SELECT rolcanlogin OR rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = '{ROLE}'");
    assert!(!database.value::<bool>(&attributes).await);
}

fn column(table: &str) -> &str {
    if table == r#""user""# { "id" } else { "user_id" }
}

/// Better Auth's own statements see and change every user, whichever role it has.
#[tokio::test]
async fn other_roles_have_the_users_as_before() {
    let database = database().await;
    let role = format!("better_auth_{}", std::process::id());
    database.execute(&format!(r#"CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON "user" TO {role}"#)).await;
    database.execute(&format!("BEGIN; SET LOCAL ROLE {role}")).await;
    assert_eq!(database.value::<i64>(r#"SELECT count(*) FROM "user""#).await, 2);
    database.execute(r#"UPDATE "user" SET name = 'x'; INSERT INTO "user" (id, name, email, "emailVerified") VALUES (3, 'c', 'c', TRUE)"#).await;
    database.execute(r#"DELETE FROM "user" WHERE id = 3; COMMIT"#).await;
    assert_eq!(database.value::<i64>(r#"SELECT count(*) FROM "user" WHERE name = 'x'"#).await, 2);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// The switch: the API answers the same without the lock.
#[tokio::test]
async fn without_the_lock_the_api_is_the_same() {
    let api = Api::new().await.with("ROW_LEVEL_SECURITY", "off");
    api.database.users(&[1, 2]).await;
    let (own, others) = (api.database.task(1, "own").await, api.database.task(2, "others'").await);
    let get = async |id: i64| api.send(tests::Request::new("GET", &format!("/api/1/tasks/{id}")).user(1)).await;
    assert_eq!((get(own).await.status, get(others).await.status, get(0).await.status), (200, 403, 404));
    let created: Value =
        api.send(tests::Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "new" }))).await.json();
    assert_eq!(created["title"], "new");
}

/// A user that the migrations do not know: whoever looks after the API hears of it from `/health`.
#[tokio::test]
async fn health_is_the_role_too() {
    let database = Database::migrated().await;
    let role = format!("stranger_{}", std::process::id());
    database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    let url = database.url().replacen("postgres@", &format!("{role}@"), 1);
    let api = Api::over(database, &url);
    let health = || tests::Request::new("GET", "/health");
    assert_eq!(api.send(health()).await.status, 500);
    api.database.execute(&format!("GRANT {ROLE} TO {role}")).await;
    assert_eq!(api.send(health()).await.status, 200);
    api.database.execute(&format!("DROP OWNED BY {role}")).await;
}
