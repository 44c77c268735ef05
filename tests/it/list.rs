//! The list: filters, search, orders, pages, and the limit on its size.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Api, Request, Response};

const USER: i32 = 1;

async fn get(api: &Api, target: &str) -> Response {
    let response = api.send(Request::new("GET", target).user(USER)).await;
    assert_eq!(response.status, 200, "{target}: {}", response.body);
    response
}

async fn titles(api: &Api, query: &str) -> Vec<String> {
    let response = get(api, &format!("/api/1/tasks?{query}")).await;
    let title = |task: &Value| task["title"].as_str().unwrap().to_owned();
    response.json().as_array().unwrap().iter().map(title).collect()
}

/// An API with a user who has tasks with these titles. Every second task is completed. The tasks were created one
/// second apart, and updated in the opposite order. Another user has the same tasks.
async fn with_tasks(titles: &[&str]) -> Api {
    let api = Api::new().await;
    api.database.users(&[USER, 2]).await;
    for user in [2, USER] {
        for (at, title) in titles.iter().enumerate() {
            let sql = "INSERT INTO task (user_id, title, completed, created_at, updated_at)
                VALUES ($1, $2, $3, to_timestamp($4::float8), to_timestamp(-$4::float8))";
            let seconds = f64::from(u32::try_from(at).unwrap());
            api.database.client.execute(sql, &[&user, title, &(at % 2 == 1), &seconds]).await.unwrap();
        }
    }
    api
}

#[tokio::test]
async fn completed_filters() {
    let api = with_tasks(&["a", "b", "c"]).await;
    assert_eq!(titles(&api, "").await, ["a", "b", "c"]);
    for yes in ["true", "1", "YES", "on"] {
        assert_eq!(titles(&api, &format!("completed={yes}")).await, ["b"]);
    }
    assert_eq!(titles(&api, "completed=false").await, ["a", "c"]);
    assert_eq!(titles(&api, "completed=false&completed=true").await, ["b"], "the last one counts");
    assert_eq!(titles(&api, "unknown=x&completed=true").await, ["b"]);
}

/// Parameters as frontends of other backends send them.
#[tokio::test]
async fn other_names_for_the_same() {
    let api = with_tasks(&["a", "b", "c", "d"]).await;
    for (query, expected) in [
        ("status=all", "abcd"),
        ("status=pending", "ac"),
        ("status=completed", "bd"),
        ("status=completed&completed=true", "bd"),
        ("search=B", "b"),
        ("q=b&search=b", "b"),
        ("search=", "abcd"),
        ("sort=created&order=desc", "dcba"),
        ("sort=-created", "dcba"),
        ("sort=updated", "dcba"),
        ("sort_by=created_at&sort_order=desc", "dcba"),
        ("sort=title&sort_by=title&order=desc&sort_order=desc", "dcba"),
        ("page=2&per_page=3", "d"),
        ("sort=-updated_at&order=desc", "abcd"),
        ("order=desc", "dcba"),
        ("order=asc", "abcd"),
        ("offset=1&limit=2", "bc"),
        ("skip=3", "d"),
        ("offset=2&skip=2", "cd"),
        ("offset=4", ""),
        ("offset=99999999999999999999", ""),
        ("page=1&page_size=3", "abc"),
        ("page=2&limit=3", "d"),
        ("page=3&limit=3", ""),
        ("page=2147483647&limit=1000", ""),
        ("page=1", "abcd"),
        ("status=pending&sort=-title&page=2&page_size=1", "a"),
    ] {
        assert_eq!(titles(&api, query).await.concat(), expected, "{query}");
    }
}

/// `Link` continues in the same way in which the client pages.
#[tokio::test]
async fn counted_pages_follow_each_other() {
    let names: Vec<String> = (0..11).map(|at| format!("{at:02}")).collect();
    let api = with_tasks(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (first, kind) in [
        ("offset=0&limit=4&sort=-title&status=all", "offset=4"),
        ("skip=0&page_size=4&sort=-title", "offset=4"),
        ("page=1&page_size=4&sort=title&order=desc", "page=2"),
        ("limit=4&sort=-title", "cursor="),
    ] {
        let (mut titles, mut target) = (Vec::new(), Some(format!("/api/1/tasks?{first}")));
        while let Some(page) = target {
            let response = get(&api, &page).await;
            titles.extend(
                response.json().as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap().to_owned()),
            );
            target = response.next();
            let is_first = titles.len() == 4;
            assert!(!is_first || target.as_ref().is_some_and(|next| next.contains(kind)), "{first}: {target:?}");
        }
        let expected: Vec<_> = names.iter().rev().cloned().collect();
        assert_eq!(titles, expected, "{first}");
    }
}

#[tokio::test]
async fn contradictions_are_refused() {
    let api = with_tasks(&["a", "b", "c"]).await;
    let cursor = get(&api, "/api/1/tasks?limit=1").await.next().unwrap();
    let cursor = cursor.split("cursor=").nth(1).unwrap().to_owned();
    for (query, parameter) in [
        ("status=pending&completed=true".to_owned(), "status"),
        ("status=all&completed=false".to_owned(), "status"),
        ("q=a&search=b".to_owned(), "search"),
        ("limit=1&page_size=2".to_owned(), "page_size"),
        ("limit=1&per_page=2".to_owned(), "per_page"),
        ("page_size=1&per_page=2".to_owned(), "per_page"),
        ("sort=id&sort_by=title".to_owned(), "sort_by"),
        ("order=asc&sort_order=desc".to_owned(), "sort_order"),
        ("offset=1&skip=2".to_owned(), "skip"),
        ("page=1&offset=1".to_owned(), "page"),
        ("sort=-title&order=asc".to_owned(), "order"),
        (format!("cursor={cursor}&offset=1"), "cursor"),
        (format!("cursor={cursor}&page=2"), "cursor"),
        (format!("cursor={cursor}&sort=title"), "cursor"),
        (format!("cursor={cursor}&order=desc"), "cursor"),
        ("status=done".to_owned(), "status"),
        ("order=up".to_owned(), "order"),
        ("offset=-1".to_owned(), "offset"),
        ("skip=x".to_owned(), "skip"),
        ("page=0".to_owned(), "page"),
        ("page_size=0".to_owned(), "page_size"),
        ("page_size=1001".to_owned(), "page_size"),
    ] {
        let response = api.send(Request::new("GET", &format!("/api/1/tasks?{query}")).user(USER)).await;
        assert_eq!(response.status, 422, "{query}");
        let problems = response.json()["detail"].as_array().unwrap().clone();
        assert_eq!((problems.len(), &problems[0]["loc"]), (1, &json!(["query", parameter])), "{query}: {problems:?}");
    }
}

/// Most frontends of this kind expect the newest tasks first.
#[tokio::test]
async fn the_usual_order_is_configured() {
    let api = with_tasks(&["a", "b", "c"]).await.with("DEFAULT_SORT", "-created_at");
    for (query, expected) in [("", "cba"), ("order=asc", "abc"), ("sort=id", "abc"), ("q=&status=all", "cba")] {
        assert_eq!(titles(&api, query).await.concat(), expected, "{query}");
    }
    let first = get(&api, "/api/1/tasks?limit=2").await;
    let second = get(&api, &first.next().unwrap()).await;
    assert_eq!(second.json()[0]["title"], "a");
}

#[tokio::test]
async fn search_is_case_insensitive_and_literal() {
    let api = with_tasks(&["Buy Milk", "50% off", "a_b", "axb", r"back\slash", "ÉCLAIR", "quote'"]).await;
    api.database.execute("UPDATE task SET description = 'two LITRES' WHERE title = 'Buy Milk'").await;
    for (query, expected) in [
        ("milk", vec!["Buy Milk"]),
        ("litres", vec!["Buy Milk"]),
        ("%25", vec!["50% off"]),
        ("a_b", vec!["a_b"]),
        ("%5C", vec![r"back\slash"]),
        ("%C3%A9clair", vec!["ÉCLAIR"]),
        ("'", vec!["quote'"]),
        ("buy+milk", vec!["Buy Milk"]),
        ("nowhere", vec![]),
    ] {
        assert_eq!(titles(&api, &format!("q={query}")).await, expected, "{query}");
    }
    assert_eq!(titles(&api, "q=").await.len(), 7);
}

#[tokio::test]
async fn every_order_and_its_reverse() {
    let api = with_tasks(&["b", "c", "a"]).await;
    for (sort, expected) in [("id", "bca"), ("created_at", "bca"), ("updated_at", "acb"), ("title", "abc")] {
        assert_eq!(titles(&api, &format!("sort={sort}")).await.concat(), expected, "{sort}");
        let reversed: String = expected.chars().rev().collect();
        assert_eq!(titles(&api, &format!("sort=-{sort}")).await.concat(), reversed, "-{sort}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    // Half of the tasks are not what the filters ask for, on any page.
    let names: Vec<String> = (0..46).map(|at| format!("{} {}", if at % 2 == 0 { "é" } else { "z" }, at % 5)).collect();
    let api = with_tasks(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    api.database.execute("UPDATE task SET completed = title LIKE 'é%'").await;
    for (sort, filter) in shared::tasks::SORTS.into_iter().zip(["q=%C3%A9", "completed=true"].into_iter().cycle()) {
        let whole = get(&api, &format!("/api/1/tasks?sort={sort}&{filter}")).await;
        assert_eq!(whole.next(), None);
        let mut tasks = Vec::new();
        let mut target = Some(format!("/api/1/tasks?limit=4&sort={sort}&{filter}"));
        let mut pages = 0;
        while let Some(page) = target {
            let response = get(&api, &page).await;
            tasks.extend(response.json().as_array().unwrap().clone());
            target = response.next();
            pages += 1;
        }
        assert_eq!(Value::from(tasks), whole.json(), "{sort}");
        assert_eq!(pages, 6, "{sort}");
    }
}

#[tokio::test]
async fn a_page_that_ends_the_list_exactly_has_no_next() {
    let api = with_tasks(&["a", "b", "c", "d"]).await;
    let first = get(&api, "/api/1/tasks?limit=2&completed=0").await;
    assert_eq!((first.json().as_array().unwrap().len(), first.next()), (2, None));
    let first = get(&api, "/api/1/tasks?limit=2").await;
    let second = get(&api, &first.next().unwrap()).await;
    assert_eq!((second.json().as_array().unwrap().len(), second.next()), (2, None));
}

#[tokio::test]
async fn tasks_that_come_and_go_between_pages_hide_no_other() {
    let api = with_tasks(&["a", "b", "c", "d", "e"]).await;
    let first = get(&api, "/api/1/tasks?limit=2").await;
    api.database.execute("DELETE FROM task WHERE title IN ('a', 'b')").await;
    let second = get(&api, &first.next().unwrap()).await;
    assert_eq!(second.json()[0]["title"], "c");
}

#[tokio::test]
async fn without_a_limit_a_page_ends_at_a_thousand() {
    let api = Api::new().await;
    api.database.users(&[USER]).await;
    api.database.execute("INSERT INTO task (user_id, title) SELECT 1, n::text FROM generate_series(1, 1001) n").await;
    let first = get(&api, "/api/1/tasks").await;
    assert_eq!(first.json().as_array().unwrap().len(), 1000);
    let second = get(&api, &first.next().unwrap()).await;
    assert_eq!(second.json()[0]["title"], "1001");
    assert_eq!(second.next(), None);
}

/// The texts that grow most on the way to the client. A control character becomes six bytes in JSON, and its
/// backslash one byte more in Lambda's answer. A quotation mark becomes four bytes, and an emoji has four.
#[tokio::test]
async fn no_page_outgrows_lambdas_limit() {
    for text in [r"E'\x01'", r"E'\\'", "'\"'", "'😀'", r"E'\x1f\x22'", "'a'"] {
        let api = Api::new().await;
        api.database.users(&[USER]).await;
        api.database
            .execute(&format!(
                "INSERT INTO task (user_id, title, description)
                 SELECT 1, left(repeat({text}, 255), 255), left(repeat({text}, 1000), 1000)
                 FROM generate_series(1, 1000)"
            ))
            .await;
        let mut ids = BTreeSet::new();
        let mut target = Some("/api/1/tasks".to_owned());
        while let Some(page) = target {
            // The harness refuses an answer of more than 6 MB, as Lambda does.
            let response = get(&api, &page).await;
            assert!(response.body.len() <= 5 * 1024 * 1024, "{text}: {}", response.body.len());
            let tasks = response.json();
            assert!(!tasks.as_array().unwrap().is_empty());
            ids.extend(tasks.as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()));
            target = response.next();
        }
        assert_eq!(ids.len(), 1000, "{text}");
    }
}

#[tokio::test]
async fn bad_parameters_are_all_reported() {
    let api = with_tasks(&["a", "b"]).await;
    let errors = async |query: &str| {
        let response = api.send(Request::new("GET", &format!("/api/1/tasks?{query}")).user(USER)).await;
        assert_eq!(response.status, 422, "{query}: {}", response.body);
        let errors = response.json()["detail"].as_array().unwrap().clone();
        errors.iter().map(|error| (error["type"].clone(), error["loc"].clone())).collect::<Vec<_>>()
    };
    let at = |kind: &str, name: &str| (json!(kind), json!(["query", name]));
    for (query, kind, name) in [
        ("limit=0", "greater_than_equal", "limit"),
        ("limit=-1", "greater_than_equal", "limit"),
        ("limit=-99999999999999999999", "greater_than_equal", "limit"),
        ("limit=1001", "less_than_equal", "limit"),
        ("limit=99999999999999999999", "less_than_equal", "limit"),
        ("limit=", "int_parsing", "limit"),
        ("limit=ten", "int_parsing", "limit"),
        ("limit=1.0", "int_parsing", "limit"),
        ("completed=", "bool_parsing", "completed"),
        ("completed=maybe", "bool_parsing", "completed"),
        ("sort=user_id", "literal_error", "sort"),
        ("sort=--id", "literal_error", "sort"),
        ("sort=title;DROP TABLE task", "literal_error", "sort"),
        ("cursor=x", "value_error", "cursor"),
        ("cursor=", "value_error", "cursor"),
        ("q=a%00b", "value_error", "q"),
    ] {
        assert_eq!(errors(query).await, [at(kind, name)], "{query}");
    }
    let many = format!("q={}", "x".repeat(1001));
    assert_eq!(errors(&many).await, [at("string_too_long", "q")]);
    assert_eq!(
        errors("limit=0&sort=x&completed=2").await,
        [at("greater_than_equal", "limit"), at("literal_error", "sort"), at("bool_parsing", "completed")]
    );
    let cursor = get(&api, "/api/1/tasks?limit=1").await.next().unwrap();
    let (_, cursor) = cursor.split_once("cursor=").unwrap();
    assert_eq!(errors(&format!("sort=title&cursor={cursor}")).await, [at("value_error", "cursor")]);
}

#[tokio::test]
async fn a_cursor_shows_its_users_tasks_only() {
    let api = with_tasks(&["a", "b", "c"]).await;
    let mine = get(&api, "/api/1/tasks?limit=1").await.next().unwrap();
    let theirs = mine.replace("/api/1/", "/api/2/");
    let response = api.send(Request::new("GET", &theirs).user(2)).await;
    let owners: Vec<_> = response.json().as_array().unwrap().iter().map(|task| task["user_id"].clone()).collect();
    assert!(owners.iter().all(|owner| *owner == 2), "{owners:?}");
    assert_eq!(api.send(Request::new("GET", &theirs).user(USER)).await.status, 403);
}
