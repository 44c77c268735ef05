//! Privileges: what the role of the functions, a login that calls them, and everybody else may do.

use std::collections::BTreeSet;

use serde_json::json;
use shared::db::RELEASE_SCHEMA;
use tests::{Api, Request, pgbouncer::PASSWORD, postgres::Database};

use crate::sql;

/// The functions may read and write the rows of the tables. Nothing else: no TRUNCATE, which no policy stops, no trigger,
/// and nothing for other roles.
#[tokio::test]
async fn functions_may_read_and_write_rows() {
    let database = Database::migrated().await;
    let role = database.functions_role().await;
    for table in ["task", "idempotency_key", "task_owner"] {
        let granted: String = database
            .value(&format!(
                "SELECT string_agg(format('%s %s', a.grantee::REGROLE, a.privilege_type), ', ' ORDER BY a.privilege_type)
                FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
                WHERE c.oid = 'task_api.{table}'::REGCLASS AND a.grantee <> c.relowner"
            ))
            .await;
        assert_eq!(granted, ["DELETE", "INSERT", "SELECT", "UPDATE"].map(|right| format!("{role} {right}")).join(", "));
        let columns = format!(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'task_api.{table}'::REGCLASS AND attacl IS NOT NULL"
        );
        assert_eq!(database.value::<i64>(&columns).await, 0, "{table}");
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
              -- Two triggers of `task` run in each write, and qualify all that they use: see the next test.
              (
                  NOT 'search_path=pg_catalog, pg_temp' = ANY (COALESCE(p.proconfig, '{{}}'))
                  AND (p.prosecdef OR p.proname NOT IN ('before_direct_insert', 'after_direct_update'))
              )
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

/// Somebody who may create operators cannot make an administrator run them who writes tasks directly.
#[tokio::test]
async fn direct_writes_run_nobody_elses_code() {
    let database = Database::migrated().await;
    // The third one has no row of task_owner before tasks move to them.
    database.users(&[1, 2, 3]).await;
    // Everything that the triggers use, for the types of the columns.
    for (number, kinds) in
        ["varchar, text", "text, text", "bytea, bytea", "integer, integer", "bigint, bigint"].into_iter().enumerate()
    {
        let (left, right) = kinds.split_once(", ").unwrap();
        for (operator, result) in [("||", "text"), ("=", "boolean"), ("<>", "boolean"), ("<", "boolean")] {
            let name = format!("public.hostile_{result}_{number}");
            let sql = format!(
                "CREATE OR REPLACE FUNCTION {name}({kinds}) RETURNS {result} LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
                 CREATE OPERATOR public.{operator} (FUNCTION = {name}, LEFTARG = {left}, RIGHTARG = {right})"
            );
            database.execute(&sql).await;
        }
    }
    for function in [
        "lower(text)",
        "concat(text, text, text)",
        "convert_to(text, name)",
        "chr(integer)",
        "current_setting(text, boolean)",
    ] {
        let sql =
            format!("CREATE FUNCTION public.{function} RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$");
        database.execute(&sql).await;
    }
    for kind in ["text", "bytea"] {
        database.execute(&format!("CREATE DOMAIN public.{kind} AS pg_catalog.{kind} CHECK (FALSE)")).await;
    }
    for path in ["public", "public, pg_catalog"] {
        let write = format!(
            "BEGIN; SET LOCAL search_path = {path};
             INSERT INTO task_api.task (user_id, title) VALUES (1, 'A'), (2, 'A');
             UPDATE task_api.task SET title = 'B', description = 'C';
             UPDATE task_api.task SET user_id = 3 - user_id;
             UPDATE task_api.task SET user_id = 3;
             COMMIT"
        );
        database.execute(&write).await;
        let bytes = r"SELECT bool_and(search_bytes OPERATOR(pg_catalog.=) '\x621f63') FROM task_api.task";
        assert!(database.value::<bool>(bytes).await, "{path}");
        database.execute("DELETE FROM task_api.task").await;
    }
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

/// Better Auth deletes a user with a login of its own. Everything of that user goes, and nothing else.
#[tokio::test]
async fn a_login_that_may_delete_users_deletes_what_belongs_to_them() {
    let database = Database::empty().await;
    database.give_away().await;
    let url = database.url_of_owner_at(tests::postgres::port());
    tests::migrate(&url, &[]).await.unwrap();
    database.users(&[1, 2]).await;
    let api = Api::over(database, &url);
    for user in [1, 2] {
        let create = Request::new("POST", "/api/tasks").user(user).header("Idempotency-Key", "key");
        assert_eq!(api.send(create.json(json!({ "title": "x" }))).await.status, 201);
    }
    let better_auth = format!("{}_better_auth", api.database.name());
    api.database
        .execute(&format!(
            r#"CREATE ROLE {better_auth}; GRANT SELECT, DELETE ON "user" TO {better_auth};
               BEGIN; SET LOCAL ROLE {better_auth}; DELETE FROM "user" WHERE id = 1; COMMIT;
               DROP OWNED BY {better_auth}; DROP ROLE {better_auth}"#
        ))
        .await;
    for table in ["task", "task_owner", "idempotency_key"] {
        let left = format!("SELECT string_agg(user_id::TEXT, ' ') FROM task_api.{table}");
        assert_eq!(api.database.value::<String>(&left).await, "2", "{table}");
    }
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
