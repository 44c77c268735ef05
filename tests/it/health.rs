//! `/health` fails when routes would, and `up` repairs what it has created.

use serde_json::{Value, json};
use shared::db::RELEASE_SCHEMA;
use tests::{Api, Request, postgres::Database};

/// Every change to what `up` has created makes `/health` fail, and `up` repairs it.
#[tokio::test]
async fn health_tells_what_is_not_as_it_was_made() {
    let database = Database::empty().await;
    database.give_away().await;
    let (url, owner) = (database.url_of_owner_at(tests::postgres::port()), database.name().to_owned());
    tests::migrate(&url, &[]).await.unwrap();
    let role = database.functions_role().await;
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
        "ALTER TABLE task_owner DROP CONSTRAINT task_owner_user_id_fkey".into(),
        format!("REVOKE ALL ON task FROM {role}"),
        format!("GRANT TRUNCATE ON task TO {role}"),
        "GRANT SELECT ON task TO PUBLIC".into(),
        format!("REVOKE USAGE ON SCHEMA task_api FROM {role}"),
        format!("REVOKE USAGE ON SCHEMA {schema} FROM {role}"),
        format!("REVOKE EXECUTE ON FUNCTION {schema}.user_exists FROM {role}"),
        "COMMENT ON SCHEMA task_api IS 'Tasks'".into(),
        format!("COMMENT ON SCHEMA {schema} IS 'The functions'"),
    ] {
        api.database.execute(&change).await;
        assert_eq!(health().await, 503, "{change}");
        tests::migrate(&url, &[]).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        assert_eq!(health().await, 200, "after `up`: {change}");
        let list: Value = api.send(Request::new("GET", "/api/1/tasks").user(1)).await.json();
        assert_eq!(list, json!([]), "{change}");
    }
    // What `up` does not repair, it names.
    for (change, take_back, named) in [
        (
            "CREATE POLICY everybody ON task USING (TRUE)".to_owned(),
            "DROP POLICY everybody ON task".to_owned(),
            "run DROP POLICY everybody ON task_api.task",
        ),
        (
            "ALTER TABLE \"user\" RENAME image TO picture".into(),
            "ALTER TABLE \"user\" RENAME picture TO image".into(),
            "has no column \"image\"",
        ),
        (
            format!("REVOKE DELETE ON \"user\" FROM {owner}"),
            format!("GRANT DELETE ON \"user\" TO {owner}"),
            "run GRANT SELECT, UPDATE, DELETE, REFERENCES",
        ),
    ] {
        api.database.execute(&change).await;
        assert_eq!(health().await, 503, "{change}");
        let error = tests::migrate(&url, &[]).await.unwrap_err();
        assert!(error["errorMessage"].as_str().unwrap().contains(named), "{error}");
        api.database.execute(&take_back).await;
        assert_eq!(health().await, 200, "{take_back}");
    }
    // A tool for reports has a login and policies of its own.
    api.database.execute("CREATE POLICY reports ON task FOR SELECT TO pg_read_all_data USING (TRUE)").await;
    assert_eq!(health().await, 200);
    // A release after this one may ask for the fingerprint with another query. Its own health is red then, if need be.
    let noted: String = api.database.value("SELECT obj_description('task_api'::REGNAMESPACE, 'pg_namespace')").await;
    let mut newer: Value = serde_json::from_str(&noted).unwrap();
    newer["query"] = json!("another");
    newer["fingerprint"] = json!("another");
    api.database.execute(&format!("COMMENT ON SCHEMA task_api IS '{newer}'")).await;
    assert_eq!(health().await, 200);
    tests::migrate(&url, &[]).await.unwrap();
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
    let log = api.function("list-tasks").await.complete_log().await.concat();
    assert!(log.contains("invoke the migrate function"), "{log}");
    tests::migrate(&url, &[]).await.unwrap();
    assert_eq!(health().await, 200);
}
