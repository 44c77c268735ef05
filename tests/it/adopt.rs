//! Copying the tasks of an earlier backend (`adopt`).

use serde_json::{Value, json};
use shared::auth::UserIds;
use tests::{
    Api, Request,
    identity::{Identity, Users},
    postgres::Database,
};

const TEXT: Identity = Identity { ids: UserIds::Text, users: Users::BetterAuth };

/// The table that `SQLModel` creates for the usual class, with an index and additional columns.
fn old_table(name: &str, user_id: &str) -> String {
    format!(
        "CREATE TABLE {name} (
            id SERIAL PRIMARY KEY, user_id {user_id} NOT NULL, title VARCHAR(200) NOT NULL, description VARCHAR,
            completed BOOLEAN NOT NULL, priority VARCHAR, created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL
        )"
    )
}

async fn adopt(database: &Database, event: Value) -> Result<Value, String> {
    let mut event = event;
    event["action"] = "adopt".into();
    let result = tests::migrate_as(&database.url(), &database.identity.variables(), &event).await;
    result.map(|report| report["adopted"].clone()).map_err(|error| error["errorMessage"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn ids_and_times_are_kept_and_new_tasks_come_after() {
    for identity in Identity::ALL {
        let database = Database::migrated_for(identity).await;
        database.users(&[1, 2]).await;
        let kind = if identity.ids == UserIds::Integer { "INTEGER" } else { "VARCHAR" };
        database.execute(&old_table("public.task", kind)).await;
        let zone = format!("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'", database.name());
        database.execute(&zone).await;
        for (id, user) in [(7, 1), (9, 2), (12, 1)] {
            let owner = identity.id(user).replace('\'', "''");
            database
                .execute(&format!(
                    "INSERT INTO public.task VALUES ({id}, '{owner}', 'Task {id}', NULL, TRUE, 'high',
                        '2024-01-02 03:04:05.678901', '2024-02-29 12:00:00')"
                ))
                .await;
        }
        let expected = |dry_run: bool, taken: i64| {
            json!({
                "from": "public.task", "dry_run": dry_run, "rows": 3, "taken": taken, "already_there": 3 - taken,
                "unfit": [], "ignored_columns": ["priority"],
            })
        };
        assert_eq!(adopt(&database, json!({ "dry_run": true })).await.unwrap(), expected(true, 3), "{identity:?}");
        assert_eq!(database.value::<i64>("SELECT count(*) FROM task_api.task").await, 0);
        assert_eq!(adopt(&database, json!({})).await.unwrap(), expected(false, 3), "{identity:?}");
        // The second run finds nothing to do.
        assert_eq!(adopt(&database, json!({})).await.unwrap(), expected(false, 0), "{identity:?}");
        assert_eq!(database.value::<i64>("SELECT count(*) FROM public.task").await, 3, "nothing is removed");
        let url = database.url();
        let api = Api::over(database, &url);
        let (path, token) = (format!("/api/{}/tasks", identity.in_path(1)), identity.token(1));
        let list = api.send(Request::new("GET", &path).bearer(&token)).await.json();
        let ids: Vec<_> = list.as_array().unwrap().iter().map(|task| task["id"].clone()).collect();
        assert_eq!(ids, [7, 12], "{identity:?}");
        assert_eq!(list[0]["created_at"], "2024-01-02T03:04:05.678901Z", "naive times are UTC");
        assert_eq!(list[0]["updated_at"], "2024-02-29T12:00:00Z");
        let search = api.send(Request::new("GET", &format!("{path}?q=TASK%2012")).bearer(&token)).await.json();
        assert_eq!(search[0]["id"], 12, "{identity:?}");
        let new = api.send(Request::new("POST", &path).bearer(&token).json(json!({ "title": "new" }))).await;
        assert_eq!(new.json()["id"], 13, "{identity:?}: {new:?}");
    }
}

/// Rows that cannot become tasks are reported. The others are copied only if the event asks for that.
#[tokio::test]
async fn rows_that_do_not_fit_are_named() {
    let database = Database::migrated_for(TEXT).await;
    database.users(&[1]).await;
    let own = database.identity.id(1).replace('\'', "''");
    database.execute("CREATE SCHEMA old; CREATE TABLE old.tasks (id BIGINT, user_id TEXT, title TEXT, description TEXT, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, completed BOOLEAN)").await;
    database.task(1, "new").await;
    for row in [
        format!("(1, '{own}', 'the id of another', NULL, now(), now())"),
        format!("(10, '{own}', 'good', NULL, now(), now())"),
        format!("(11, '{own}', 'twice', NULL, now(), now())"),
        format!("(11, '{own}', 'twice', NULL, now(), now())"),
        "(12, 'nobody', 'x', NULL, now(), now())".into(),
        "(13, '', 'x', NULL, now(), now())".into(),
        "(14, NULL, 'x', NULL, now(), now())".into(),
        format!("(15, '{own}', NULL, NULL, now(), now())"),
        format!("(16, '{own}', repeat('x', 256), NULL, now(), now())"),
        format!("(17, '{own}', 'x', repeat('x', 1001), now(), now())"),
        format!("(18, '{own}', 'x', NULL, 'infinity', now())"),
        format!("(0, '{own}', 'x', NULL, now(), now())"),
        format!("(9223372036854775807, '{own}', 'x', NULL, now(), now())"),
        format!("(19, '{own}', 'without times', NULL, NULL, NULL)"),
    ] {
        database.execute(&format!("INSERT INTO old.tasks VALUES {row}")).await;
    }
    let refused = adopt(&database, json!({ "from": "old.tasks" })).await.unwrap_err();
    assert!(refused.contains("leave_unfit") && refused.contains("2 rows: the id is there twice"), "{refused}");
    let count = "SELECT count(*) FROM task_api.task";
    assert_eq!(database.value::<i64>(count).await, 1, "all or nothing");
    let next = "SELECT last_value FROM task_api.task_id_seq";
    assert_eq!(database.value::<i64>(next).await, 1, "nor the next id");
    let report = adopt(&database, json!({ "from": "old.tasks", "leave_unfit": true })).await.unwrap();
    assert_eq!((&report["rows"], &report["taken"]), (&json!(14), &json!(2)), "{report}");
    assert_eq!(database.value::<i64>(count).await, 3);
    assert_eq!(database.value::<i64>(next).await, 19, "after those that were left, too");
    for (reason, ids) in [
        ("the id is another task's", json!([1])),
        ("the id is there twice", json!([11, 11])),
        ("the user is not in the users table", json!([12])),
        ("user_id is no id of the kind that USER_IDS says", json!([13, 14])),
        ("the title is missing or longer than 255 characters", json!([15, 16])),
        ("the description is longer than 1000 characters", json!([17])),
        ("a time is no date", json!([18])),
        ("the id is no positive number", json!([0, 9_223_372_036_854_775_807_i64])),
    ] {
        let unfit = report["unfit"].as_array().unwrap().iter().find(|unfit| unfit["reason"] == reason);
        assert_eq!(unfit.map(|unfit| &unfit["ids"]), Some(&ids), "{reason}: {report}");
    }
}

/// User ids that were texts, and are integers or UUIDs now.
#[tokio::test]
async fn user_ids_that_were_texts_become_what_they_are() {
    for (ids, good, wrong) in [
        (UserIds::Integer, "1", vec!["x", "1.5", "-1", "0", "99999999999", "2147483648"]),
        (UserIds::Uuid, "0190163d8694739baea5000000000001", vec!["1", "0190163d-8694", "x"]),
    ] {
        let database = Database::migrated_for(Identity { ids, users: Users::BetterAuth }).await;
        database.users(&[1]).await;
        database.execute(&old_table("tasks", "TEXT")).await;
        for id in wrong.iter().chain([&good]) {
            let row = format!("('{id}', 'x', FALSE, now(), now())");
            database
                .execute(&format!("INSERT INTO tasks (user_id, title, completed, created_at, updated_at) VALUES {row}"))
                .await;
        }
        let report = adopt(&database, json!({ "leave_unfit": true })).await.unwrap();
        assert_eq!((&report["taken"], &report["rows"]), (&json!(1), &json!(wrong.len() + 1)), "{report}");
    }
}

#[tokio::test]
async fn a_table_that_is_none_of_tasks_is_refused() {
    let database = Database::migrated_for(Identity::DEFAULT).await;
    for (sql, event, expected) in [
        ("SELECT 1", json!({}), "there is no table task or tasks"),
        ("SELECT 1", json!({ "from": "old.task" }), "there is no table old.task"),
        ("SELECT 1", json!({ "from": "task_api.task" }), "there is no table task_api.task"),
        ("SELECT 1", json!({ "from": "x\"; DROP TABLE task_api.task; --" }), "there is no table"),
        ("CREATE TABLE public.task (id UUID, title TEXT, user_id INTEGER)", json!({}), "has no column id of the type"),
        ("CREATE TABLE public.tasks (id INTEGER)", json!({}), "there are both task and tasks"),
        ("SELECT 1", json!({ "from": "tasks" }), "has no column title of the type"),
        (
            "CREATE TABLE odd (id INTEGER, title TEXT, user_id INTEGER, completed TEXT)",
            json!({ "from": "odd" }),
            "has no column completed of the type boolean",
        ),
        (
            "CREATE TABLE other_name (id INTEGER, title TEXT, user_id INTEGER, is_completed BOOLEAN)",
            json!({ "from": "other_name" }),
            "has no column completed of the type boolean",
        ),
        (
            "CREATE TABLE counted (id INTEGER, title TEXT, user_id INTEGER, completed BOOLEAN, description INTEGER)",
            json!({ "from": "counted" }),
            "has a column description of the type integer",
        ),
    ] {
        database.execute(sql).await;
        let message = adopt(&database, event.clone()).await.unwrap_err();
        assert!(message.contains(expected), "{event}: {message}");
    }
    // A dry run creates nothing, not even the users table.
    let mine = "CREATE TABLE mine (id INTEGER, title TEXT, user_id INTEGER, completed BOOLEAN)";
    database.execute(&format!("DROP TABLE \"user\" CASCADE; {mine}")).await;
    let message = adopt(&database, json!({ "from": "mine", "dry_run": true })).await.unwrap_err();
    assert!(message.contains("there is no such table"), "{message}");
    assert!(database.value::<bool>("SELECT to_regclass('\"user\"') IS NULL").await);
    tests::migrate(&database.url(), &[]).await.unwrap();
    // A view can give the columns the required names.
    database
        .execute(
            "CREATE TABLE todo (nr INTEGER, what TEXT, owner INTEGER); INSERT INTO todo VALUES (5, 'x', 1);
             CREATE VIEW old_tasks AS SELECT nr AS id, what AS title, owner AS user_id, FALSE AS completed FROM todo",
        )
        .await;
    database.users(&[1]).await;
    let event = json!({ "from": "old_tasks" });
    assert_eq!(adopt(&database, event.clone()).await.unwrap()["taken"], 1);
    assert_eq!(adopt(&database, event).await.unwrap()["already_there"], 1, "also where nobody knows the time");
}

/// Runs the statements of docs/coming-from-fastapi.md.
#[tokio::test]
async fn there_is_a_way_back() {
    let chapter = tests::read("docs/coming-from-fastapi.md");
    let chapter = chapter.split("## The way back").nth(1).unwrap();
    let statements: Vec<_> = chapter.split("```sql").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    let database = Database::migrated_for(Identity::DEFAULT).await;
    database.users(&[1]).await;
    database
        .execute(
            &old_table("public.task", "INTEGER")
                .replace("completed BOOLEAN NOT NULL", "completed BOOLEAN NOT NULL DEFAULT FALSE"),
        )
        .await;
    for title in ["stays", "changes", "goes"] {
        let row = format!("(1, '{title}', FALSE, '2024-01-02', '2024-01-02')");
        database
            .execute(&format!(
                "INSERT INTO public.task (user_id, title, completed, created_at, updated_at) VALUES {row}"
            ))
            .await;
    }
    adopt(&database, json!({})).await.unwrap();
    let url = database.url();
    let api = Api::over(database, &url);
    let send = async |method: &str, path: &str, body: Value| {
        let answer = api.send(Request::new(method, &format!("/api/1/tasks{path}")).user(1).json(body)).await;
        assert!(answer.status < 300, "{answer:?}");
        answer.json()["created_at"].as_str().unwrap_or_default().to_owned()
    };
    send("PUT", "/2", json!({ "title": "changed" })).await;
    send("DELETE", "/3", json!({})).await;
    let created_at = send("POST", "", json!({ "title": "new" })).await;
    api.database.execute("SET timezone = 'Asia/Tokyo'").await;
    api.database.execute(statements[0]).await;
    let rows = "SELECT string_agg(id || ' ' || title, ', ' ORDER BY id) FROM public.task";
    assert_eq!(api.database.value::<String>(rows).await, "1 stays, 2 changed, 3 goes, 4 new");
    let time = "SELECT created_at::TEXT FROM public.task WHERE id = 4";
    let time: String = api.database.value(time).await;
    assert!(created_at.replace('T', " ").starts_with(&time[..19]), "{created_at} {time}");
    let next =
        "INSERT INTO public.task (user_id, title, created_at, updated_at) VALUES (1, 'x', now(), now()) RETURNING id";
    assert_eq!(api.database.value::<i32>(next).await, 5);
    let gone = api.database.client.query(statements[1].trim().trim_end_matches(';'), &[]).await.unwrap();
    let ids: Vec<i32> = gone.iter().map(|row| row.get("id")).collect();
    assert_eq!(ids, [3, 5]);
}

#[tokio::test]
async fn there_is_nothing_to_adopt_into_before_up() {
    let database = Database::empty().await;
    let message = adopt(&database, json!({})).await.unwrap_err();
    assert!(message.contains("{\"action\": \"up\"} first"), "{message}");
}
