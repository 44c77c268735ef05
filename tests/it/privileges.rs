//! Privileges: what the role of the functions, a login that calls them, and everybody else may do.

use std::collections::BTreeSet;

use serde_json::json;
use shared::db::RELEASE_SCHEMA;
use tests::{Api, Request, pgbouncer::PASSWORD, postgres::Database};

use crate::sql;

/// Every column of the tables is either writable for the functions, or listed here as fixed.
#[tokio::test]
async fn functions_may_write_every_column_but_those_that_never_change() {
    let database = Database::migrated().await;
    let role = database.functions_role().await;
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
    let role = database.functions_role().await;
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
