//! Row-level security: functions that do not check the owner of rows, and what their role sees without a caller.

use serde_json::json;
use shared::{
    auth::{Owner, Verifier},
    config::Env,
    db::{Db, RELEASE_SCHEMA, Retry},
    http::HttpEvent,
};
use tests::{SECRET, identity::Identity, postgres::Database};

/// The owner that a token of `user` gives.
async fn owner(user: i32) -> Owner {
    owner_of(Identity::DEFAULT, user).await
}

async fn owner_of(identity: Identity, user: i32) -> Owner {
    let env: Env = identity.variables().into_iter().chain([("BETTER_AUTH_SECRET", SECRET)]).collect();
    let event = json!({
        "rawPath": "/api/users/me",
        "headers": { "authorization": format!("Bearer {}", identity.token(user)) },
        "requestContext": { "http": { "method": "GET" } },
    });
    let event: HttpEvent = serde_json::from_str(&event.to_string()).unwrap();
    Verifier::new(&env.auth().unwrap())
        .verify(event.request().unwrap().bearer_token().unwrap())
        .await
        .unwrap()
        .owner_of_me()
}

/// A database with two users. Each user has two tasks and a key.
async fn database() -> Database {
    database_of(Identity::DEFAULT).await
}

async fn database_of(identity: Identity) -> Database {
    let database = Database::migrated_for(identity).await;
    database.users(&[1, 2]).await;
    for user in [1, 1, 2, 2] {
        database.task(user, "x").await;
    }
    let (one, two) = (identity.sql(1), identity.sql(2));
    let keys = format!(r"INSERT INTO idempotency_key VALUES ({one}, 'k', '\x00', 1), ({two}, 'k', '\x00', 3)");
    database.execute(&keys).await;
    database
}

/// Adds a function like those of a release, but with a mistake of its author.
async fn add(database: &Database, role: &str, name: &str, statement: &str) -> String {
    let (function, kind) = (format!("{RELEASE_SCHEMA}.{name}"), database.identity.ids.sql_type());
    database
        .execute(&format!(
            "CREATE FUNCTION {function}(caller {kind}, deadline TIMESTAMPTZ) RETURNS SETOF TEXT
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$
            BEGIN
                PERFORM set_config('task_api.caller', caller::TEXT, TRUE);
                RETURN QUERY {statement};
            END
            $$;
            ALTER FUNCTION {function} OWNER TO {role}"
        ))
        .await;
    format!("SELECT * FROM {function}($1, now())")
}

#[tokio::test]
async fn a_function_without_its_where_sees_no_foreign_row() {
    for identity in Identity::ALL {
        sees_no_foreign_row(identity).await;
    }
}

async fn sees_no_foreign_row(identity: Identity) {
    let database = database_of(identity).await;
    let owner = owner_of(identity, 1).await;
    let (db, role) = (Db::new(&database.url().parse().unwrap(), 1).unwrap(), database.functions_role().await);
    for (number, statement) in [
        "SELECT user_id::TEXT FROM task_api.task",
        "SELECT user_id::TEXT FROM task_api.idempotency_key",
        "SELECT user_id::TEXT FROM task_api.task_owner",
        "UPDATE task_api.task SET title = 'changed' RETURNING user_id::TEXT",
        "DELETE FROM task_api.task RETURNING user_id::TEXT",
    ]
    .iter()
    .enumerate()
    {
        let call = add(&database, &role, &format!("forgetful_{number}"), statement).await;
        let rows = db.read(&owner, &call, &[]).await.unwrap();
        let users: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(!users.is_empty() && users.iter().all(|user| *user == identity.id(1)), "{statement}: {users:?}");
    }
    let left = format!("SELECT count(*) FROM task WHERE user_id = {} AND title = 'x'", identity.sql(2));
    assert_eq!(database.value::<i64>(&left).await, 2);
    // A superuser's function returns other users' rows, so row-level security is what hides them.
    let call = add(&database, "postgres", "unlocked", "SELECT user_id::TEXT FROM task_api.task_owner").await;
    assert_eq!(db.read(&owner, &call, &[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn rows_for_another_user_cannot_be_written() {
    for identity in Identity::ALL {
        cannot_be_written(identity).await;
    }
}

async fn cannot_be_written(identity: Identity) {
    let database = database_of(identity).await;
    let (owner, two) = (owner_of(identity, 1).await, identity.sql(2));
    let (db, role) = (Db::new(&database.url().parse().unwrap(), 1).unwrap(), database.functions_role().await);
    let mut statements = vec![
        format!("INSERT INTO task_api.task (user_id, title) VALUES ({two}, 'x') RETURNING user_id::TEXT"),
        format!(r"INSERT INTO task_api.idempotency_key VALUES ({two}, 'other', '\x00', 1) RETURNING user_id::TEXT"),
        format!("UPDATE task_api.task SET user_id = {two} RETURNING user_id::TEXT"),
    ];
    if let Some(table) = identity.table() {
        statements.extend([
            format!("SELECT id::TEXT FROM {table}"),
            format!("UPDATE {table} SET email = 'x' RETURNING id::TEXT"),
            format!("INSERT INTO {table} (id, name, email) VALUES ({two}, 'x', 'x') RETURNING id::TEXT"),
        ]);
    }
    for (number, statement) in statements.iter().enumerate() {
        let call = add(&database, &role, &format!("wrong_{number}"), statement).await;
        let error = db.read(&owner, &call, &[]).await.expect_err(statement);
        let causes = shared::telemetry::causes(&error).join(": ");
        assert!(causes.contains("42501"), "{statement}: {causes}");
    }
}

/// The role's rights without a caller, and its rights besides the rows.
#[tokio::test]
async fn the_role_sees_nothing_without_a_caller_and_can_do_nothing_else() {
    let database = database().await;
    let role = database.functions_role().await;
    for caller in ["", "SET LOCAL task_api.caller = '';", "SET LOCAL task_api.caller = '3';"] {
        for table in ["task", "idempotency_key", "task_owner"] {
            database.execute(&format!("BEGIN; SET LOCAL ROLE {role}; {caller}")).await;
            assert_eq!(database.value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 0, "{table} {caller}");
            database.execute("ROLLBACK").await;
        }
    }
    let own = format!("ALTER ROLE {role} BYPASSRLS");
    let foreign = format!("CREATE FUNCTION {RELEASE_SCHEMA}.x() RETURNS INTEGER LANGUAGE sql RETURN 1");
    for sql in [
        "CREATE TABLE task_api.x ()",
        "ALTER TABLE task DISABLE ROW LEVEL SECURITY",
        "DROP TABLE task",
        "TRUNCATE task",
        "CREATE POLICY all_of_them ON task USING (TRUE)",
        "SELECT * FROM refinery_schema_history",
        r#"SELECT * FROM "user""#,
        &own,
        &foreign,
    ] {
        database.execute(&format!("BEGIN; SET LOCAL ROLE {role}")).await;
        let error = database.client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some("42501"), "{sql}: {error:?}");
        database.execute("ROLLBACK").await;
    }
    let attributes = format!("SELECT rolcanlogin OR rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = '{role}'");
    assert!(!database.value::<bool>(&attributes).await);
}

/// A write runs with a deadline and a caller, and after the call no caller is set any more.
#[tokio::test]
async fn the_caller_is_of_the_call() {
    let database = database().await;
    let db = Db::new(&database.url().parse().unwrap(), 1).unwrap();
    let call = format!("SELECT {RELEASE_SCHEMA}.delete_me($1, $2, $3)");
    db.write(&owner(1).await, Retry::Never, &call, &[]).await.unwrap();
    let two = owner(2).await;
    let left = db.read(&two, "SELECT NULLIF(current_setting('task_api.caller', TRUE), '') WHERE $1 > 0", &[]);
    assert_eq!(left.await.unwrap()[0].get::<_, Option<String>>(0), None);
    assert_eq!(database.value::<i64>("SELECT count(*) FROM task").await, 2);
}
