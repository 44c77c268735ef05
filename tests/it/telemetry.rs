//! What the log says about a request, and what it must never say.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    Api, Request, SECRET,
    gateway::{Gateway, Style},
    token,
};

async fn api() -> Api {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    api
}

/// The log lines about requests.
async fn requests(api: &Api) -> Vec<Value> {
    let mut lines = api.log().await;
    lines.retain(|line| line["message"] == "request");
    lines
}

#[tokio::test]
async fn one_line_per_request() {
    let api = api().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let response = api.send(Request::new("GET", "/api/1/tasks/7").user(1)).await;
        ids.push(response.header("x-request-id").unwrap().to_owned());
    }
    let lines = requests(&api).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (at, (line, id)) in lines.iter().zip(&ids).enumerate() {
        assert_eq!(line["request_id"], *id);
        assert_eq!(line["function"], "get-task");
        assert_eq!(line["route"], "GET /api/{user_id}/tasks/{id}");
        assert_eq!((&line["status"], &line["user_id"], &line["level"]), (&json!(404), &json!(1), &json!("INFO")));
        assert_eq!(line["cold_start"], at == 0);
        let (total, database) = (line["duration_ms"].as_f64().unwrap(), line["database_ms"].as_f64().unwrap());
        assert!(0.0 < database && database <= total, "{line}");
    }
}

/// Lambda passes an answer on while the line is written, so that no client waits for it.
#[tokio::test]
async fn the_line_is_written_after_the_answer() {
    let api = api().await;
    let function = api.function("list-tasks").await;
    let (name, event) = Gateway::of_template(Style::Aws).event(&Request::new("GET", "/api/tasks").user(1));
    assert_eq!(name, "list-tasks");
    let held = function.hold_back().await;
    assert_eq!(function.invoke(&event).await.unwrap()["statusCode"], 200);
    let line = tokio::time::timeout(Duration::from_millis(200), function.complete_log());
    assert!(line.await.is_err(), "the line was there before the answer was taken");
    drop(held);
    let log = function.complete_log().await;
    assert_eq!(log.iter().filter(|line| line.contains(r#""message":"request""#)).count(), 1, "{log:?}");
}

#[tokio::test]
async fn a_line_has_metrics_where_they_are_wanted() {
    let api = api().await.with("METRICS_NAMESPACE", "task-api");
    let task = format!("/api/1/tasks/{}", api.database.task(1, "x").await);
    for target in [&task, "/api/1/tasks/999"] {
        api.send(Request::new("GET", target).user(1)).await;
    }
    api.send(Request::new("GET", &task)).await;
    api.send(Request::new("GET", &task).header("Authorization", "Bearer e30.e30.e30")).await;
    api.database.break_list().await;
    api.send(Request::new("GET", "/api/1/tasks").user(1)).await;
    let lines = requests(&api).await;
    assert_eq!(lines.len(), 5);
    for line in &lines {
        let (failures, unauthorized) = match line["status"].as_u64().unwrap() {
            200 | 404 => (0, 0),
            401 if line["reason"] == "no Authorization header" => (0, 0),
            401 => (0, 1),
            500 => (1, 0),
            other => panic!("{other}"),
        };
        assert_eq!((&line["failures"], &line["unauthorized"]), (&json!(failures), &json!(unauthorized)), "{line}");
        assert!(line["_aws"]["Timestamp"].as_i64().unwrap() > 1_700_000_000_000);
        for metrics in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(metrics["Namespace"], "task-api");
            for dimension in metrics["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
            }
            for metric in metrics["Metrics"].as_array().unwrap() {
                assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
            }
        }
    }
}

/// An error report of a frontend names its trace. The log line about the request must name the trace too.
#[tokio::test]
async fn a_line_names_the_trace() {
    let api = api().await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    api.send(Request::new("GET", "/api/1/tasks").user(1).header("traceparent", traceparent)).await;
    api.send(Request::new("GET", "/api/1/tasks").user(1).header("traceparent", "\"},{\"")).await;
    let lines = requests(&api).await;
    assert_eq!(lines[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(lines[1]["trace_id"].is_null());
    assert!(lines[0]["xray_trace_id"].as_str().unwrap().starts_with("1-"), "{}", lines[0]);
}

#[tokio::test]
async fn a_refusal_says_why_to_the_log_only() {
    let api = api().await;
    let text_id = token::with(&json!({ "sub": "nf6BZqcXlRPbDkKzEEoqSc5mmFKZ4kUR", "exp": token::now() + 60 }));
    let response =
        api.send(Request::new("GET", "/api/1/tasks").header("Authorization", &format!("Bearer {text_id}"))).await;
    assert_eq!(response.json(), json!({ "detail": "Not authenticated" }));
    let lines = requests(&api).await;
    assert!(lines[0]["reason"].as_str().unwrap().contains("USER_IDS=text"), "{lines:?}");
    assert_eq!(lines[0]["database_ms"], 0.0);
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let api = api().await;
    for request in [
        Request::new("GET", "/nowhere"),
        Request::new("OPTIONS", "/api/1/tasks")
            .header("Origin", "http://localhost:3000")
            .header("Access-Control-Request-Method", "GET"),
        Request::new("GET", "/api/1/tasks"),
        Request::new("GET", "/health"),
    ] {
        assert!(api.send(request.clone()).await.header("x-request-id").is_some(), "{request:?}");
    }
}

#[tokio::test]
async fn a_failure_tells_the_log_the_cause_and_the_client_nothing() {
    let api = api().await;
    api.send(Request::new("GET", "/api/1/tasks").user(1)).await;
    api.database.execute("ALTER TABLE task RENAME COLUMN completed TO done").await;
    let request = || Request::new("GET", "/api/1/tasks").user(1).header("Origin", "http://localhost:3000");
    let response = api.send(request()).await;
    assert_eq!((response.status, response.json()), (500, json!({ "detail": "Server error" })));
    assert_eq!(response.header("access-control-allow-origin"), Some("http://localhost:3000"));
    let line = requests(&api).await.remove(1);
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["causes"][0], "the statement failed");
    assert!(line["causes"].to_string().contains("42703"), "{line}");
    api.database.execute("ALTER TABLE task RENAME COLUMN done TO completed").await;
    assert_eq!(api.send(request()).await.status, 200);
}

/// Postgres quotes the row in the detail of a constraint's error.
#[tokio::test]
async fn no_line_has_a_token_a_secret_or_a_text_of_a_user() {
    let api = api().await;
    api.database.execute("ALTER TABLE task ADD CONSTRAINT refuse CHECK (title <> 'refused words')").await;
    let bearer = token::of(1);
    let title = |title: &str| json!({ "title": title, "description": "described words" });
    for (body, status) in
        [(title("written words"), 201), (title("refused words"), 500), (json!({ "title": ["wrong words"] }), 422)]
    {
        let request =
            Request::new("POST", "/api/1/tasks").header("Authorization", &format!("Bearer {bearer}")).json(body);
        assert_eq!(api.send(request).await.status, status);
    }
    api.send(Request::new("GET", "/api/1/tasks?q=searched+words").user(1)).await;
    api.send(Request::new("GET", "/api/1/tasks").header("Authorization", "Bearer garbage-words")).await;
    let log = api.log().await;
    let causes = log.iter().find(|line| line["status"] == 500).expect("the failure's line");
    assert!(causes["causes"].to_string().contains("task.refuse"), "{causes}");
    for line in &log {
        let line = line.to_string();
        for secret in ["words", SECRET, &bearer, bearer.rsplit('.').next().unwrap()] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_function_lives_on() {
    let api = api().await;
    api.database.task(1, "panicked words").await;
    let request = || Request::new("GET", "/api/1/tasks").user(1).header("Origin", "http://localhost:3000");
    api.database.break_list().await;
    let response = api.send(request()).await;
    assert_eq!((response.status, response.json()), (500, json!({ "detail": "Server error" })));
    assert_eq!(response.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert!(response.header("x-request-id").is_some());
    let log = api.log().await;
    assert!(log.iter().any(|line| line["message"] == "panic" && line["location"].is_string()), "{log:?}");
    api.database.mend_list().await;
    assert_eq!(api.send(request()).await.status, 200);
}

/// An answer of the database that this release cannot read is a failure, and a write that was committed is not repeated.
#[tokio::test]
async fn an_answer_of_another_shape_is_a_failure() {
    let api = api().await;
    let schema = shared::db::RELEASE_SCHEMA;
    let path = format!("/api/tasks/{}", api.database.task(1, "x").await);
    api.database
        .execute(&format!(
            "CREATE TABLE calls (n INTEGER);
             ALTER FUNCTION {schema}.get_task RENAME TO other_get_task;
             CREATE FUNCTION {schema}.get_task(INTEGER, BIGINT) RETURNS RECORD LANGUAGE plpgsql
             AS $$ DECLARE answer {schema}.task_answer; BEGIN RETURN answer; END $$;
             ALTER FUNCTION {schema}.update_me RENAME TO other_update_me;
             CREATE FUNCTION {schema}.update_me(INTEGER, TIMESTAMPTZ, TEXT, TEXT, BOOLEAN, TEXT) RETURNS RECORD
             LANGUAGE plpgsql
             AS $$ BEGIN INSERT INTO public.calls VALUES (1); RETURN ROW('ok'::TEXT, 'noon'::TEXT); END $$"
        ))
        .await;
    let get = Request::new("GET", &path).user(1);
    let update = Request::new("PATCH", "/api/users/me").user(1).json(json!({ "name": "new" }));
    for (request, field) in [(get, 0), (update, 1)] {
        let response = api.send(request).await;
        assert_eq!((response.status, response.json()), (500, json!({ "detail": "Server error" })));
        let log = json!(requests(&api).await).to_string();
        assert!(log.contains(&format!("field {field} of a function's answer is missing")), "{log}");
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM calls").await, 1);
}

#[tokio::test]
async fn every_answer_has_the_headers_of_an_api() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    for (target, policy) in [
        ("/api/1/tasks", "default-src 'none'; frame-ancestors 'none'"),
        ("/nowhere", "default-src 'none'; frame-ancestors 'none'"),
        ("/docs", "frame-ancestors 'none'"),
    ] {
        let response = api.send(Request::new("GET", target).user(1)).await;
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{target}");
        // The documentation is the same for everybody, and has 2 MB.
        let caching = if target == "/docs" { "public, max-age=3600" } else { "private, no-cache" };
        assert_eq!(response.header("cache-control"), Some(caching), "{target}");
        assert!(response.header("content-security-policy").unwrap().ends_with(policy), "{target}");
    }
}
