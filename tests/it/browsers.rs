//! The headers that browsers send, and an API below a path.

use serde_json::{Value, json};
use tests::{Api, Request, gateway::Gateway, gateway::Style};

const ORIGIN: &str = "https://app.example.com";

fn preflight(origin: &str, headers: &str) -> Request {
    Request::new("OPTIONS", "/api/1/tasks")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", headers)
}

/// A frontend with Sentry or `OpenTelemetry` sends headers that this API does not know.
#[tokio::test]
async fn a_page_may_send_any_header() {
    let api = Api::new().await;
    let wanted = "authorization,baggage,content-type,sentry-trace,traceparent,x-requested-with";
    let answer = api.send(preflight(ORIGIN, wanted)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-headers")), (200, Some(wanted)));
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    // The gateway must have no list of headers, because its list would override the function's.
    let template = tests::read("template.yaml");
    assert!(!template.contains("\n      CorsConfiguration:") && !template.contains("AllowHeaders"));
    let answer = api.send(Request::new("GET", "/nowhere").header("Origin", ORIGIN)).await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(["retry-after", "link", "etag"].iter().all(|name| exposed.split(", ").any(|other| other == *name)));
}

#[tokio::test]
async fn previews_and_apps_have_origins() {
    let api = Api::new().await.with("CORS_ORIGINS", "https://*.vercel.app,capacitor://localhost");
    for (origin, is_allowed) in [
        ("https://my-app-git-main.vercel.app", true),
        ("capacitor://localhost", true),
        ("https://a.b.vercel.app", false),
        ("https://vercel.app", false),
        ("https://evil.com", false),
        (ORIGIN, false),
    ] {
        for request in [preflight(origin, "authorization"), Request::new("GET", "/nowhere").header("Origin", origin)] {
            let answer = api.send(request).await;
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, is_allowed.then_some(origin), "{origin}");
        }
    }
}

/// The event of a request with `base` in front of its path, at this domain and stage.
fn below(base: &str, domain: &str, stage: &str, request: &Request) -> (String, Value) {
    let (function, mut event) = Gateway::of_template(Style::Aws).event(request);
    event["rawPath"] = format!("{base}{}", event["rawPath"].as_str().unwrap()).into();
    event["requestContext"]["http"]["path"] = event["rawPath"].clone();
    event["requestContext"]["stage"] = stage.into();
    event["requestContext"]["domainName"] = domain.into();
    (function, event)
}

/// Behind a custom domain with a path, and behind a stage, only the beginning of the paths changes.
#[tokio::test]
async fn an_api_may_have_a_path_before_its_own() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    for _ in 0..2 {
        api.database.task(1, "x").await;
    }
    let own = "id.execute-api.us-east-1.amazonaws.com";
    for (base, domain, stage) in [
        ("/v1", "api.example.com", "$default"),
        ("/tasks/v1", "api.example.com", "$default"),
        // With it, `/api/api/tasks` looks like the tasks of a user `api`.
        ("/api", "api.example.com", "$default"),
        ("/x/api", "api.example.com", "$default"),
        ("/prod", own, "prod"),
        ("", own, "$default"),
    ] {
        let send = async |request: Request| {
            let (function, event) = below(base, domain, stage, &request.user(1));
            let answer = api.function(&function).await.invoke(&event).await.unwrap();
            (answer["statusCode"].as_u64().unwrap(), answer["headers"].clone())
        };
        for path in ["/docs", "/openapi.json", "/health"] {
            assert_eq!(send(Request::new("GET", path)).await.0, 200, "{base}{path}");
        }
        for tasks in ["/api/1/tasks", "/api/tasks"] {
            let (status, headers) = send(Request::new("GET", &format!("{tasks}?limit=1"))).await;
            let next = format!("<{base}/api/1/tasks?");
            assert!(status == 200 && headers["link"].as_str().unwrap().starts_with(&next), "{base}: {headers}");
            let (status, headers) = send(Request::new("POST", tasks).json(json!({ "title": "x" }))).await;
            let location = headers["location"].as_str().unwrap();
            assert!(status == 201 && location.starts_with(&format!("{base}/api/1/tasks/")), "{location}");
        }
        let (status, headers) = send(Request::new("POST", "/api/1/tasks/3")).await;
        assert_eq!((status, &headers["allow"]), (405, &json!("GET, HEAD, PUT, DELETE")), "{base}");
        let (status, headers) = send(Request::new("GET", "/api/1/tasks/?a=b")).await;
        assert_eq!((status, &headers["location"]), (307, &json!(format!("{base}/api/1/tasks?a=b"))), "{base}");
        assert_eq!(send(Request::new("GET", "/nowhere")).await.0, 404, "{base}");
    }
    // A path that only ends like a route's path is not that route, and no redirect leads to another host.
    for (method, path, status) in [
        ("GET", "/foo/health", 404),
        ("POST", "/foo/health", 405),
        ("GET", "//evil.com/health/", 404),
        ("GET", "/x//evil.com/health/", 404),
        ("GET", "/foo/health/", 307),
    ] {
        let (_, mut event) = below("", "api.example.com", "$default", &Request::new(method, "/nowhere"));
        event["rawPath"] = path.into();
        let answer = api.function("not-found").await.invoke(&event).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{method} {path}: {answer}");
        assert!(!answer["headers"]["location"].as_str().unwrap_or_default().starts_with("//"), "{answer}");
    }
    // At API Gateway's own domain, nothing is cut off the path.
    let (function, event) = below("/v1", own, "$default", &Request::new("POST", "/docs"));
    assert_eq!(api.function(&function).await.invoke(&event).await.unwrap()["statusCode"], 404);
}

/// `fetch()` sends a string as text/plain. A body that is not understood must not toggle.
#[tokio::test]
async fn a_body_that_is_not_understood_toggles_nothing() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let id = api.database.task(1, "x").await;
    let path = format!("/api/1/tasks/{id}/complete");
    for (content_type, body, status) in [
        ("text/plain;charset=UTF-8", r#"{"completed":true}"#, 422),
        ("application/json", "nonsense", 422),
        ("application/json", "[]", 422),
        ("application/json", "true", 422),
        ("application/json", r#"{"completed":"maybe"}"#, 422),
        ("application/x-www-form-urlencoded", "completed=true", 422),
        ("application/json", "\u{feff}{\"completed\":false}", 200),
        ("application/json", "\u{feff}nonsense", 422),
        ("application/json", "null", 200),
        ("application/json", " ", 200),
        ("text/plain", "", 200),
        ("application/json", "{}", 200),
    ] {
        api.database.execute("UPDATE task SET completed = FALSE").await;
        let answer = api.send(Request::new("PATCH", &path).user(1).raw(content_type, body)).await;
        assert_eq!(answer.status, status, "{content_type} {body}: {}", answer.body);
        let toggled = status == 200 && !body.contains("false");
        assert_eq!(api.database.value::<bool>("SELECT completed FROM task").await, toggled, "{content_type} {body}");
    }
}

/// A monitor that only checks whether the function answers must not wake up the database.
#[tokio::test]
async fn being_alive_needs_no_database() {
    let api = Api::new().await.with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none?sslmode=disable");
    assert_eq!(api.send(Request::new("GET", "/health?live")).await.status, 200);
    assert_eq!(api.send(Request::new("GET", "/health")).await.status, 503);
}
