//! Bad requests of every kind: they are refused clearly, and nothing is stored.

use serde_json::{Value, json};
use tests::{Api, Request};

async fn api() -> Api {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    api
}

/// Sends bodies that must be refused, with this status and, for a 422, this type of error.
async fn refuse(api: &Api, cases: Vec<(Request, u64, &str)>) {
    for (request, status, kind) in cases {
        let response = api.send(request.clone()).await;
        let shown = format!("{request:.300?}: {} {:.300}", response.status, response.body);
        assert_eq!(response.status, status, "{shown}");
        if status == 422 {
            assert_eq!(response.json()["detail"][0]["type"], kind, "{shown}");
        } else {
            assert_eq!(response.json()["detail"], kind, "{shown}");
        }
    }
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 0);
    assert_eq!(api.database.value::<String>(r#"SELECT name FROM "user""#).await, "User 1");
}

fn post(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", "/api/1/tasks").user(1).raw("application/json", body)
}

#[tokio::test]
async fn text_that_postgres_cannot_store() {
    let api = api().await;
    let patch = |body: Value| Request::new("PATCH", "/api/users/me").user(1).json(body);
    let cases = vec![
        (post(r#"{"title":"a\u0000b"}"#), 422, "value_error"),
        (post(r#"{"title":"a","description":"\u0000"}"#), 422, "value_error"),
        (patch(json!({ "name": "\0" })), 422, "value_error"),
        (patch(json!({ "image": "\0" })), 422, "value_error"),
        (post(r#"{"title":"\ud800"}"#), 422, "json_invalid"),
        (post(r#"{"title":"\udc00b"}"#), 422, "json_invalid"),
        (post(r#"{"title":"ok","\ud800":1}"#), 422, "json_invalid"),
        (post(b"{\"title\":\"\xed\xa0\x80\"}".to_vec()), 400, "There was an error parsing the body"),
    ];
    refuse(&api, cases).await;
}

#[tokio::test]
async fn json_that_is_too_much() {
    let api = api().await;
    let nested = |depth: usize| format!(r#"{{"title":"x","z":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let cases = vec![
        (post(nested(200)), 422, "json_invalid"),
        (post(nested(100_000)), 422, "json_invalid"),
        (post(r#"{"title":1e400}"#), 422, "string_type"),
        (post(r#"{"title":123456789012345678901234567890}"#), 422, "string_type"),
        (post(format!(r#"{{"title":{}}}"#, "9".repeat(5000))), 422, "string_type"),
        (post(format!(r#"{{"title":"{}"}}"#, "x".repeat(200_000))), 422, "string_too_long"),
        (post(format!(r#"{{"title":"{}"}}"#, "x".repeat(6 << 20))), 413, "The body is too large"),
        (post(vec![b'['; 6 << 20]), 413, "The body is too large"),
        (
            Request::new("POST", "/api/1/tasks").user(1).raw("image/png", vec![255; 6 << 20]),
            413,
            "The body is too large",
        ),
        // The problems quote this body, escaped twice. They must still fit into Lambda's 6 MB.
        (
            Request::new("POST", "/api/1/tasks").user(1).raw("text/plain", vec![1; 256 << 10]),
            422,
            "model_attributes_type",
        ),
    ];
    refuse(&api, cases).await;
}

/// Numbers that do not fit 64 bits or a float.
#[tokio::test]
async fn numbers_are_quoted_as_they_came() {
    let api = api().await;
    for number in
        ["123456789012345678901234567890", "-9223372036854775809", "0.10000000000000000555111", "1e+400", "1.0"]
    {
        let response = api.send(post(format!(r#"{{"title":{number}}}"#))).await;
        assert_eq!(response.status, 422, "{number}: {}", response.body);
        assert!(response.body.contains(&format!(r#""input":{number}}}"#)), "{number}: {}", response.body);
    }
}

#[tokio::test]
async fn urls_that_no_parser_likes() {
    let api = api().await;
    for target in [
        r#"/api/1/tasks?q="<>"#,
        "/api/1/tasks?q=a b",
        "/api/1/tasks?q=%zz%",
        "/api/1/tasks?q=%ff%fe",
        "/api/1/tasks?&&==&=",
        "/api/1/tasks?q=é",
    ] {
        let response = api.send(Request::new("GET", target).user(1)).await;
        assert_eq!(response.status, 200, "{target}: {}", response.body);
    }
    for target in
        [r#"/api/"/tasks"#, "/api/</tasks", "/api/a b/tasks", "/api/%00/tasks", "/api/%ff/tasks", "/api/é/tasks"]
    {
        let response = api.send(Request::new("GET", target).user(1)).await;
        assert_eq!(response.status, 422, "{target}: {}", response.body);
    }
    for target in [r#"/"<> "#, "//", "/..", "/api/1/tasks/1/../../2/tasks", "/%", "/\u{0}", "*"] {
        let response = api.send(Request::new("GET", target).user(1)).await;
        assert_eq!(response.status, 404, "{target}: {}", response.body);
    }
}

#[tokio::test]
async fn redirects_stay_on_the_path() {
    let api = api().await;
    for (target, location) in [
        ("/api/1/tasks/?a=b%20c&d", "/api/1/tasks?a=b%20c&d"),
        ("/api/1/tasks/", "/api/1/tasks"),
        ("/api/a%0d%0aSet-Cookie:%20x/tasks/", "/api/a%0D%0ASet-Cookie:%20x/tasks"),
        ("/api/%5c%5cevil.example.com/tasks/", "/api/%5C%5Cevil.example.com/tasks"),
        ("/api/%3fx%23y/tasks/", "/api/%3Fx%23y/tasks"),
    ] {
        let request = Request::new("GET", target).header("Host", "evil.example.com");
        let response = api.send(request).await;
        assert_eq!((response.status, response.header("location")), (307, Some(location)), "{target}");
    }
    for target in ["//evil.example.com/", "//evil.example.com/tasks/", "/api/1/tasks//"] {
        assert_eq!(api.send(Request::new("GET", target)).await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn headers_that_are_there_twice_or_folded() {
    let api = api().await;
    let get = || Request::new("GET", "/api/1/tasks");
    let twice = get().user(1).user(1);
    assert_eq!(api.send(twice).await.status, 401);
    let folded = get().header("Authorization", &format!("Bearer\r\n {}", tests::token::of(1)));
    assert_eq!(api.send(folded).await.status, 401);
    let control = get()
        .user(1)
        .header("X-Odd\n", "\u{1}\r\nx-request-id: forged")
        .header("Origin", "http://localhost:3000\r\nx: y");
    let response = api.send(control).await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (200, None));
    let types = post(r#"{"title":"x"}"#).header("Content-Type", "application/json");
    let response = api.send(types).await;
    assert_eq!((response.status, &response.json()["detail"][0]["type"]), (422, &json!("model_attributes_type")));
    let long = get().header("Authorization", &format!("Bearer {}", "x".repeat(1 << 20)));
    assert_eq!(api.send(long).await.status, 401);
}

#[tokio::test]
async fn preflights_mirror_only_what_a_header_can_hold() {
    let api = api().await;
    let preflight = Request::new("OPTIONS", "/api/1/tasks")
        .header("Origin", "https://app.example.com")
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "x-a\r\nx-forged: 1");
    let response = api.send(preflight).await;
    assert_eq!((response.status, response.header("access-control-allow-headers")), (200, None));
}

/// Events that API Gateway does not send. The function must answer them too.
#[tokio::test]
async fn events_that_are_no_requests() {
    let api = api().await;
    let function = api.function("create-task").await;
    for event in [
        json!(null),
        json!("text"),
        json!([1]),
        json!({}),
        json!({ "rawPath": "/api/1/tasks", "headers": {} }),
        json!({ "rawPath": "/api/1/tasks", "requestContext": null }),
        json!({ "rawPath": "/api/1/tasks", "requestContext": { "http": {} } }),
        json!({ "rawPath": 1, "requestContext": { "http": { "method": "POST" } } }),
        json!({ "rawPath": "/", "requestContext": { "http": { "method": "POST" } }, "headers": { "origin": 1 } }),
        json!({ "httpMethod": "POST", "path": "/api/1/tasks", "resource": "/" }),
    ] {
        let answer = function.invoke(&event).await.unwrap();
        assert_eq!(answer["statusCode"], 400, "{event}: {answer}");
    }
    let broken_base64 = json!({
        "rawPath": "/api/1/tasks",
        "routeKey": "POST /api/{user_id}/tasks",
        "pathParameters": { "user_id": "1" },
        "headers": { "authorization": format!("Bearer {}", tests::token::of(1)), "content-type": "application/json" },
        "requestContext": { "http": { "method": "POST" } },
        "body": "*not base64*",
        "isBase64Encoded": true,
    });
    let answer = function.invoke(&broken_base64).await.unwrap();
    assert_eq!(answer["statusCode"], 400, "{answer}");
    assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 0);
}

#[tokio::test]
async fn a_base64_body_is_read() {
    let api = api().await;
    let request = Request::new("POST", "/api/1/tasks").user(1).raw("application/vnd.api+json", r#"{"title":"é"}"#);
    assert_eq!(api.send(request).await.json()["title"], "é");
}
