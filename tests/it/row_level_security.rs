//! Row-level security: functions that do not check the owner of rows, roles that must see nothing, and changes to
//! what `up` has created.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::{
    auth::{Owner, Verifier},
    config::Env,
    db::{Db, RELEASE_SCHEMA, Retry},
    http::HttpEvent,
};
use tests::{Api, Request, SECRET, identity::Identity, pgbouncer::PASSWORD, postgres::Database};

use crate::sql;

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

/// The role that the functions of a database belong to.
async fn role(database: &Database) -> String {
    let sql = format!(
        "SELECT proowner::REGROLE::TEXT FROM pg_proc WHERE proname = 'get_task' AND pronamespace = '{RELEASE_SCHEMA}'::REGNAMESPACE"
    );
    database.value(&sql).await
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
    let (db, role) = (Db::new(&database.url().parse().unwrap(), 1).unwrap(), role(&database).await);
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
    let (db, role) = (Db::new(&database.url().parse().unwrap(), 1).unwrap(), role(&database).await);
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
    let role = role(&database).await;
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

/// Every column of the tables is either writable for the functions, or listed here as fixed.
#[tokio::test]
async fn functions_may_write_every_column_but_those_that_never_change() {
    let database = Database::migrated().await;
    let role = role(&database).await;
    for (table, fixed) in
        [("task", "created_at, id, user_id"), ("idempotency_key", "key, user_id"), ("task_owner", "user_id")]
    {
        for (privilege, expected) in [("SELECT", ""), ("INSERT", ""), ("UPDATE", fixed)] {
            let sql = format!(
                "SELECT COALESCE(string_agg(attname, ', ' ORDER BY attname), '') FROM pg_attribute
                WHERE attrelid = 'task_api.{table}'::REGCLASS AND attnum > 0 AND NOT attisdropped
                  AND NOT has_column_privilege('{role}', attrelid, attnum, '{privilege}')"
            );
            let missing: String = database.value(&sql).await;
            assert_eq!(
                missing, expected,
                "{privilege} on {table}: grant it in shared/src/release/table_privileges.sql"
            );
        }
    }
}

/// Every function of the release has the right search path, owner and privileges.
#[tokio::test]
async fn every_function_is_guarded_as_the_others() {
    let database = Database::empty().await;
    database.give_away().await;
    let url = database.url_of_owner_at(tests::postgres::port());
    tests::migrate(&url, &[]).await.unwrap();
    let wrong = format!(
        "SELECT COALESCE(string_agg(p.oid::REGPROCEDURE::TEXT, ' '), '')
        FROM pg_proc AS p
        WHERE p.pronamespace IN ('{RELEASE_SCHEMA}'::REGNAMESPACE, 'task_api'::REGNAMESPACE)
          AND (
              NOT 'search_path=pg_catalog, pg_temp' = ANY (COALESCE(p.proconfig, '{{}}'))
              OR EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0)
              OR EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = p.proowner AND (r.rolsuper OR r.rolbypassrls))
              -- What a login may call runs as the role that cannot log in.
              OR (
                  EXISTS (
                      SELECT FROM aclexplode(p.proacl) AS a
                      JOIN pg_roles AS r ON r.oid = a.grantee
                      WHERE r.rolcanlogin AND a.grantee <> p.proowner
                  )
                  AND NOT (p.prosecdef AND (SELECT NOT r.rolcanlogin FROM pg_roles AS r WHERE r.oid = p.proowner))
              )
          )"
    );
    assert_eq!(database.value::<String>(&wrong).await, "");
    let count = format!("SELECT count(*) FROM pg_proc WHERE pronamespace = '{RELEASE_SCHEMA}'::REGNAMESPACE");
    assert!(database.value::<i64>(&count).await > 20);
    // No login may be a member of the role.
    let role = role(&database).await;
    let members = format!(
        "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, '{role}'::REGROLE, 'USAGE')"
    );
    assert_eq!(database.value::<i64>(&members).await, 0);
}

/// A users table of another owner is left alone, whatever its owner has done to it.
#[tokio::test]
async fn a_users_table_that_is_closed_stays_closed() {
    let database = Database::empty().await;
    database.give_away().await;
    let (url, owner) = (database.url_of_owner_at(tests::postgres::port()), database.name().to_owned());
    let anonymous = format!("anonymous_{}", std::process::id());
    database
        .execute(&format!(
            r#"CREATE TABLE "user" (id SERIAL PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
                 "emailVerified" BOOLEAN NOT NULL, image TEXT, "createdAt" TIMESTAMPTZ NOT NULL DEFAULT now(),
                 "updatedAt" TIMESTAMPTZ NOT NULL DEFAULT now());
               ALTER TABLE "user" OWNER TO {owner};
               ALTER TABLE "user" ENABLE ROW LEVEL SECURITY;
               CREATE ROLE {anonymous}; GRANT USAGE ON SCHEMA public TO {anonymous};
               GRANT SELECT, UPDATE, DELETE ON "user" TO {anonymous}"#
        ))
        .await;
    database.users(&[1, 2]).await;
    tests::migrate(&url, &[]).await.unwrap();
    database.execute(&format!("BEGIN; SET LOCAL ROLE {anonymous}")).await;
    assert_eq!(database.value::<i64>(r#"SELECT count(*) FROM "user""#).await, 0);
    database.execute("ROLLBACK").await;
    assert_eq!(database.value::<i64>("SELECT count(*) FROM pg_policy WHERE polrelid = '\"user\"'::REGCLASS").await, 0);
    let api = Api::over(database, &url);
    assert_eq!(api.send(Request::new("GET", "/api/users/me").user(1)).await.json()["id"], 1);
    let renamed = Request::new("PATCH", "/api/users/me").user(1).json(json!({ "name": "new" }));
    assert_eq!(api.send(renamed).await.json()["name"], "new");
    // `down` leaves the table as it was, too.
    tests::migrate_with(&url, &json!({ "action": "down", "to": 0 })).await.unwrap();
    let closed = "SELECT relrowsecurity FROM pg_class WHERE oid = '\"user\"'::REGCLASS";
    assert!(api.database.value::<bool>(closed).await);
    api.database.execute(&format!("DROP OWNED BY {anonymous}; DROP ROLE {anonymous}")).await;
}

/// A login that may only call the functions can serve every route, and has no other access.
#[tokio::test]
async fn a_login_that_may_only_call_functions_is_enough() {
    let database = Database::empty().await;
    database.give_away().await;
    let (port, name) = (tests::postgres::port(), database.name().to_owned());
    let (owner_url, login) = (database.url_of_owner_at(port), format!("{name}_calls"));
    database
        .execute(&format!(
            "CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'; GRANT CONNECT ON DATABASE {name} TO {login};
             REVOKE ALL ON SCHEMA public FROM PUBLIC"
        ))
        .await;
    let url = format!("postgres://{login}:{PASSWORD}@127.0.0.1:{port}/{name}?sslmode=disable");
    tests::migrate(&url, &[("DATABASE_URL_UNPOOLED", &owner_url)]).await.unwrap();
    database.users(&[1, 2]).await;
    let others = database.task(2, "secret of 2").await;
    let api = Api::over(database, &url);
    let send = async |request: Request| api.send(request.user(1)).await;
    let created = send(Request::new("POST", "/api/1/tasks").json(json!({ "title": "own" }))).await;
    assert_eq!(created.status, 201);
    let path = created.header("location").unwrap().to_owned();
    for (request, status) in [
        (Request::new("GET", "/health"), 200),
        (Request::new("GET", "/api/1/tasks"), 200),
        (Request::new("GET", "/api/1/tasks?sort=-title&q=own&completed=false"), 200),
        (Request::new("GET", &path), 200),
        (Request::new("PUT", &path).json(json!({ "title": "changed" })), 200),
        (Request::new("PATCH", &format!("{path}/complete")), 200),
        (Request::new("GET", &format!("/api/1/tasks/{others}")), 403),
        (Request::new("GET", "/api/2/tasks"), 403),
        (Request::new("DELETE", &path), 200),
        (Request::new("GET", "/api/users/me"), 200),
        (Request::new("PATCH", "/api/users/me").json(json!({ "name": "new" })), 200),
    ] {
        let text = format!("{request:?}");
        assert_eq!(send(request).await.status, status, "{text}");
    }
    // Tries every table, view, sequence and function with that login.
    let (client, connection) =
        url.parse::<tokio_postgres::Config>().unwrap().connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let relations = "SELECT format('%I.%I', n.nspname, c.relname), c.relkind::TEXT
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'v', 'm', 'S', 'p')";
    let rows = api.database.client.query(relations, &[]).await.unwrap();
    assert!(rows.len() >= 6, "{rows:?}");
    for row in rows {
        let (name, kind): (String, String) = (row.get(0), row.get(1));
        let mut statements = vec![format!("SELECT * FROM {name}")];
        if kind == "r" {
            statements.push(format!("DELETE FROM {name}"));
            statements.push(format!("TRUNCATE {name}"));
        }
        for statement in statements {
            let error = client.batch_execute(&statement).await.expect_err(&statement);
            assert_eq!(error.code().unwrap().code(), "42501", "{statement}");
        }
    }
    let functions = format!(
        "SELECT p.oid::REGPROCEDURE::TEXT, has_function_privilege('{login}', p.oid, 'EXECUTE')
             AND has_schema_privilege('{login}', p.pronamespace, 'USAGE'), p.proname::TEXT
         FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')"
    );
    let rows = api.database.client.query(&functions, &[]).await.unwrap();
    let callable: Vec<String> = rows.iter().filter(|row| row.get(1)).map(|row| row.get::<_, String>(2)).collect();
    let sorted = shared::tasks::SORTS.map(|sort| match sort.strip_prefix('-') {
        Some(column) => format!("list_tasks_by_{column}_desc"),
        None => format!("list_tasks_by_{sort}_asc"),
    });
    let operations = sql::functions().into_iter().filter(sql::Function::is_operation).map(|function| function.name);
    let operations = operations.filter(|name| !name.contains("{{column}}")).chain(sorted).chain(["health".to_owned()]);
    assert_eq!(callable.into_iter().collect::<BTreeSet<_>>(), operations.collect());
}

/// Every change to what `up` has created makes `/health` fail, and `up` repairs it.
#[tokio::test]
async fn health_tells_what_is_not_as_it_was_made() {
    let database = Database::empty().await;
    database.give_away().await;
    let (url, owner) = (database.url_of_owner_at(tests::postgres::port()), database.name().to_owned());
    tests::migrate(&url, &[]).await.unwrap();
    let role = role(&database).await;
    let schema = RELEASE_SCHEMA;
    let api = Api::over(database, &url);
    api.database.users(&[1]).await;
    let health = async || api.send(Request::new("GET", "/health")).await.status;
    assert_eq!(health().await, 200);
    for change in [
        // As after a restore with --no-owner.
        format!("ALTER FUNCTION {schema}.get_task OWNER TO {owner}"),
        format!("ALTER FUNCTION {schema}.get_task SECURITY INVOKER"),
        format!("ALTER FUNCTION {schema}.get_task RESET search_path"),
        format!("GRANT EXECUTE ON FUNCTION {schema}.get_task TO PUBLIC"),
        format!("REVOKE EXECUTE ON FUNCTION {schema}.get_task FROM {owner}"),
        format!("DROP FUNCTION {schema}.get_task"),
        format!("ALTER TYPE {schema}.task_answer DROP ATTRIBUTE updated_at"),
        format!("CREATE FUNCTION {schema}.other() RETURNS INTEGER LANGUAGE sql RETURN 1"),
        "ALTER TABLE task NO FORCE ROW LEVEL SECURITY".into(),
        "ALTER TABLE task DISABLE ROW LEVEL SECURITY".into(),
        "DROP POLICY caller ON task".into(),
        "CREATE POLICY everybody ON task USING (TRUE)".into(),
        "ALTER TABLE task_owner DROP CONSTRAINT task_owner_user_id_fkey".into(),
        format!("REVOKE ALL ON task FROM {role}"),
    ] {
        api.database.execute(&change).await;
        assert_eq!(health().await, 503, "{change}");
        tests::migrate(&url, &[]).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        assert_eq!(health().await, 200, "after `up`: {change}");
        let list: Value = api.send(Request::new("GET", "/api/1/tasks").user(1)).await.json();
        assert_eq!(list, json!([]), "{change}");
    }
    // A privilege that another role granted can be revoked only by that role.
    let version: i32 = api.database.value("SELECT current_setting('server_version_num')::INTEGER").await;
    let (grant, take_back) = match version {
        160_000.. => {
            (format!("GRANT {role} TO {owner} WITH SET TRUE"), format!("GRANT {role} TO {owner} WITH SET FALSE"))
        }
        _ => (format!("GRANT {role} TO {owner}"), format!("REVOKE {role} FROM {owner}")),
    };
    api.database.execute(&grant).await;
    assert_eq!(health().await, 503);
    api.database.execute(&take_back).await;
    assert_eq!(health().await, 200);
    // Without the schema, there is no `health` function to call.
    api.database.execute(&format!("DROP SCHEMA {schema} CASCADE")).await;
    assert_eq!(health().await, 503);
    let answer = api.send(Request::new("GET", "/api/1/tasks").user(1)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("60")));
    let log = api.function("list-tasks").await.log().concat();
    assert!(log.contains("invoke the migrate function"), "{log}");
    tests::migrate(&url, &[]).await.unwrap();
    assert_eq!(health().await, 200);
}

/// A write runs with a deadline and a caller, and after the call no caller is set any more.
#[tokio::test]
async fn the_caller_is_of_the_call() {
    let database = database().await;
    let db = Db::new(&database.url().parse().unwrap(), 1).unwrap();
    let call = format!("SELECT * FROM {RELEASE_SCHEMA}.delete_me($1, $2, $3)");
    db.write(&owner(1).await, Retry::Never, &call, &[]).await.unwrap();
    let two = owner(2).await;
    let left = db.read(&two, "SELECT NULLIF(current_setting('task_api.caller', TRUE), '') WHERE $1 > 0", &[]);
    assert_eq!(left.await.unwrap()[0].get::<_, Option<String>>(0), None);
    assert_eq!(database.value::<i64>("SELECT count(*) FROM task").await, 2);
}
