//! The cost of statements does not grow with the tables: no statement reads a whole table.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::{
    db::RELEASE_SCHEMA,
    routes::{Access, ROUTES},
    tasks::SORTS,
};
use tests::{Api, Request, identity::Identity, postgres::Database};

/// Waits until a count has reached `least`. Connections report their counts when they end, at the latest.
async fn until_it_is(api: &Api, count: &str, least: i64) {
    let others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    api.database.execute(&format!("SELECT pg_terminate_backend(pid) {others}")).await;
    let end = Instant::now() + Duration::from_secs(10);
    while api.database.value::<i64>(count).await < least {
        assert!(Instant::now() < end, "the statements are not counted");
        api.database.execute("SELECT pg_stat_clear_snapshot()").await;
    }
}

/// Enough users to make the planner use an index.
const USERS: i32 = 500;

#[tokio::test]
async fn no_statement_reads_a_table_from_end_to_end() {
    let api = Api::new().await;
    api.database
        .execute(&format!(
            r#"INSERT INTO "user" (id, name, email, "emailVerified")
                   SELECT id, 'User ' || id, id || '@example.com', FALSE FROM generate_series(1, {USERS}) AS id;
               INSERT INTO task (user_id, title, description)
                   SELECT id, 'Task ' || number, repeat('words ', 20)
                   FROM generate_series(1, {USERS}) AS id, generate_series(1, 50) AS number;
               INSERT INTO idempotency_key
                   SELECT id, number::TEXT, '\x00', number FROM generate_series(1, {USERS}) AS id, generate_series(1, 20) AS number;
               ANALYZE"#
        ))
        .await;
    let scans = |kind: &str| {
        format!(
            "SELECT COALESCE(sum({kind}), 0)::BIGINT FROM pg_stat_user_tables
             WHERE relname IN ('task', 'user', 'idempotency_key')"
        )
    };
    let own: i64 = api.database.value("SELECT min(id) FROM task WHERE user_id = 1").await;
    let others: i64 = api.database.value("SELECT min(id) FROM task WHERE user_id = 2").await;
    let lists = ["?limit=10", "?completed=false&sort=-title", "?q=TASK&sort=updated_at", "?sort=-created_at&limit=1"];
    let mut requests: Vec<_> =
        lists.iter().map(|query| Request::new("GET", &format!("/api/1/tasks{query}")).user(1)).collect();
    // A new key, with old ones to remove, and the same again.
    let age = "UPDATE task_owner SET keys = 20, keys_since = now() - INTERVAL '2 days' WHERE user_id = 1";
    api.database.execute(age).await;
    for _ in 0..2 {
        let keyed = Request::new("POST", "/api/1/tasks").user(1).header("Idempotency-Key", "k");
        requests.push(keyed.json(json!({ "title": "x" })));
    }
    for id in [own, others, 999_999_999] {
        for route in ROUTES.iter().filter(|route| route.access == Access::User && route.function != "delete-me") {
            let path = route.path.replace("{user_id}", "1").replace("{id}", &id.to_string());
            requests.push(Request::new(route.method, &path).user(1).json(json!({ "title": "x", "name": "x" })));
        }
    }
    let next = api.send(Request::new("GET", "/api/1/tasks?limit=10&sort=title").user(1)).await.next().unwrap();
    requests.push(Request::new("GET", &next).user(1));
    let before: i64 = api.database.value(&scans("seq_scan")).await;
    let indexed: i64 = api.database.value(&scans("idx_scan")).await;
    let count = i64::try_from(requests.len()).unwrap();
    for request in requests {
        let answer = api.send(request.clone()).await;
        assert!(answer.status < 500, "{request:?}: {}", answer.body);
    }
    until_it_is(&api, &scans("idx_scan"), indexed + count).await;
    assert_eq!(api.database.value::<i64>(&scans("seq_scan")).await, before);
}

/// A user has more text than fits into the memory of a sort. An order by another column than the id sorts only ids.
#[tokio::test]
async fn a_list_in_another_order_sorts_no_texts() {
    let database = Database::migrated().await;
    database.users(&[1]).await;
    database
        .execute(
            "INSERT INTO task (user_id, title, description)
                 SELECT 1, 'Task ' || number, repeat('\u{1F4DD}', 1000) FROM generate_series(1, 2000) AS number;
             ANALYZE",
        )
        .await;
    for sort in SORTS {
        let (column, direction) = sort.strip_prefix('-').map_or((sort, "asc"), |column| (column, "desc"));
        let list = format!("{RELEASE_SCHEMA}.list_tasks_by_{column}_{direction}(1, NULL, NULL, NULL, NULL, 1800, 50)");
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT YAML) SELECT * FROM {list}");
        let plan: String = database.value(&explain).await;
        let written: Vec<_> = plan.lines().filter_map(|line| line.split_once("Temp Written Blocks: ")).collect();
        assert!(!written.is_empty() && written.iter().all(|(_, blocks)| *blocks == "0"), "{sort}: {plan}");
    }
}

/// Texts that do not fit into a page: a search reads what stays there.
#[tokio::test]
async fn of_the_longest_texts_only_the_description_is_stored_elsewhere() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let longest = json!({ "title": "\u{1F4DD}".repeat(200), "description": "\u{1F4DD}".repeat(1000) });
    for (method, path) in [("POST", "/api/1/tasks"), ("PUT", "/api/1/tasks/1")] {
        let written = api.send(Request::new(method, path).user(1).json(longest.clone())).await;
        assert!(written.status < 300, "{method}: {}", written.body);
        api.database.execute("VACUUM task").await;
        let elsewhere: String =
            api.database.value("SELECT reltoastrelid::REGCLASS::TEXT FROM pg_class WHERE oid = 'task'::REGCLASS").await;
        let bytes: i64 = api.database.value(&format!("SELECT sum(length(chunk_data)) FROM {elsewhere}")).await;
        assert_eq!(bytes, 4000, "{method}");
    }
}

/// A user has most of the tasks, and the newest. Finding the user's first task must not read everybody's tasks.
#[tokio::test]
async fn a_list_begins_at_its_users_first_task() {
    let api = Api::new().await;
    let everyone: Vec<_> = (1..=USERS).collect();
    api.database.users(&everyone).await;
    api.database
        .execute(&format!(
            "INSERT INTO task (user_id, title) SELECT 2 + number % ({USERS} - 2), 'x' FROM generate_series(1, 20000) AS number;
             INSERT INTO task (user_id, title) SELECT 1, 'x' FROM generate_series(1, 60000);
             ANALYZE"
        ))
        .await;
    let scans = |index: &str| format!("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '{index}'");
    let (by_id, by_user) = (scans("task_pkey"), scans("task_user_id_id"));
    let before: i64 = api.database.value(&by_id).await;
    let indexed: i64 = api.database.value(&by_user).await;
    for query in ["?limit=10", "?limit=10&completed=false", "?limit=10&q=x", "?limit=10&sort=-id"] {
        let listed = api.send(Request::new("GET", &format!("/api/1/tasks{query}")).user(1)).await;
        assert_eq!(listed.json().as_array().unwrap().len(), 10, "{query}");
    }
    until_it_is(&api, &by_user, indexed + 4).await;
    assert_eq!(api.database.value::<i64>(&by_id).await, before);
}

/// A page reads its own tasks and few others, whatever ANALYZE has seen: a table of one user, or of many.
#[tokio::test]
async fn lists_are_read_in_the_same_way_with_any_statistics() {
    for identity in Identity::EACH {
        let database = Database::migrated_for(identity).await;
        let everyone: Vec<_> = (1..=40).collect();
        database.users(&everyone).await;
        let insert = |users: &[i32], each, words| {
            let ids: Vec<_> = users.iter().map(|user| identity.sql(*user)).collect();
            format!(
                "INSERT INTO task (user_id, title, description)
                 SELECT id, 'Task ' || number, repeat('words ', {words})
                 FROM generate_series(1, {each}) AS number, unnest(ARRAY[{}]) AS id
                 ORDER BY number",
                ids.join(", ")
            )
        };
        // What a plan costs, as the planner sees it, grows with the table. No list is worth compiling.
        let is_compiled = format!(
            "SELECT bool_or('jit=off' <> ALL (proconfig)) FROM pg_proc
             WHERE pronamespace = '{RELEASE_SCHEMA}'::REGNAMESPACE AND proname LIKE 'list\\_tasks%'"
        );
        assert!(!database.value::<bool>(&is_compiled).await);
        database.execute("ALTER TABLE task SET (autovacuum_enabled = FALSE)").await;
        database.execute(&insert(&everyone[..1], 1000, 1)).await;
        database.execute("ANALYZE").await;
        only_own_blocks(&database, 1, 100).await;
        database.execute(&insert(&everyone[1..10], 1000, 20)).await;
        only_own_blocks(&database, 2, 1200).await;
        database.execute("ANALYZE").await;
        only_own_blocks(&database, 2, 1200).await;
        database.execute("TRUNCATE task").await;
        database.execute(&insert(&everyone[..1], 1000, 1)).await;
        database.execute("ANALYZE").await;
        database.execute(&insert(&everyone[1..], 100, 100)).await;
        only_own_blocks(&database, 2, 200).await;
        database.execute("ANALYZE").await;
        only_own_blocks(&database, 2, 200).await;
    }
}

/// Checks how many blocks the lists of a user read, whose tasks are in fewer than `own`.
async fn only_own_blocks(database: &Database, user: i32, own: usize) {
    database.execute("DISCARD PLANS").await;
    let caller = database.identity.sql(user);
    let late = format!("SELECT id FROM task WHERE user_id = {caller} ORDER BY id OFFSET 90 LIMIT 1");
    let late: i64 = database.value(&late).await;
    let mut lists = vec![
        (format!("list_tasks({caller}, -1, 11)"), 20),
        (format!("list_tasks({caller}, {late}, 11)"), 20),
        (format!("list_tasks_by_id_asc({caller}, FALSE, NULL, {late}, {late}, 0, 10)"), 20),
        (format!("list_tasks_by_id_desc({caller}, FALSE, NULL, {late}, {late}, 0, 10)"), 20),
    ];
    for sort in SORTS {
        let (column, direction) = sort.strip_prefix('-').map_or((sort, "asc"), |column| (column, "desc"));
        // Without an index, all of the user's tasks are looked at.
        let most = if column == "id" { 20 } else { own };
        for (completed, needle) in [("FALSE", "NULL"), ("NULL", "'TASK'")] {
            let parameters = format!("{caller}, {completed}, {needle}, NULL, NULL, 0, 10");
            lists.push((format!("list_tasks_by_{column}_{direction}({parameters})"), most));
        }
    }
    for (list, most) in lists {
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT YAML) SELECT * FROM {RELEASE_SCHEMA}.{list}");
        // The first time, it is planned.
        database.value::<String>(&explain).await;
        let plan: String = database.value(&explain).await;
        let blocks = |name| -> usize {
            plan.lines()
                .find_map(|line| line.trim().strip_prefix(name))
                .map(|count| count.trim().parse().unwrap())
                .unwrap()
        };
        let read = blocks("Shared Hit Blocks:") + blocks("Shared Read Blocks:");
        assert!(read <= most, "{list} reads {read} blocks: {plan}");
    }
}

/// One of two users has nearly all tasks. Reading the other's short list must not read these tasks.
#[tokio::test]
async fn a_short_list_beside_a_long_one_reads_no_foreign_task() {
    let api = Api::new().await;
    api.database.users(&[1, 2]).await;
    api.database
        .execute(
            "INSERT INTO task (user_id, title) SELECT 2, 'x' FROM generate_series(1, 9000);
             INSERT INTO task (user_id, title) SELECT 1, 'x' FROM generate_series(1, 10);
             ANALYZE task_api.task",
        )
        .await;
    let read = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'task'";
    let before: i64 = api.database.value(read).await;
    for _ in 0..10 {
        let listed = api.send(Request::new("GET", "/api/1/tasks").user(1)).await;
        assert_eq!(listed.json().as_array().unwrap().len(), 10);
    }
    until_it_is(&api, read, before + 100).await;
    assert_eq!(api.database.value::<i64>(read).await, before + 100);
}
