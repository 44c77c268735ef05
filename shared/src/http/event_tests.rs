//! `lambda_http`'s parser of events, compared with this API's own.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use lambda_http::RequestExt;
use serde_json::{Value, json};

use super::{Header, HttpEvent};

/// Every sample event of a route, with its path.
fn events() -> Vec<(String, String)> {
    let mut events = Vec::new();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../events"));
    for function in fs::read_dir(folder).unwrap() {
        // `events/` also has a file: `fixture.sql`.
        let Ok(files) = fs::read_dir(function.unwrap().path()) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let is_event = path.extension().is_some_and(|extension| extension == "json");
            let text = if is_event { fs::read_to_string(&path).unwrap() } else { String::new() };
            if text.contains("\"sourceIp\"") {
                events.push((path.display().to_string(), text));
            }
        }
    }
    events
}

#[test]
fn both_parsers_read_every_sample_event_alike() {
    let events = events();
    assert!(events.len() > 30, "{}", events.len());
    for (path, text) in events {
        let event: HttpEvent = serde_json::from_str(&text).unwrap();
        let (ours, theirs) = (event.request().unwrap(), lambda_http::request::from_str(&text).unwrap());
        assert_eq!(ours.method(), theirs.method().as_str(), "{path}");
        assert_eq!(format!("{}{}", ours.base_path(), ours.path()), theirs.raw_http_path(), "{path}");
        assert_eq!(ours.raw_query(), theirs.uri().query().unwrap_or_default(), "{path}");
        for (header, name) in [(Header::Authorization, "authorization"), (Header::ContentType, "content-type")] {
            let value = theirs.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(ours.header(header), value, "{path}");
        }
        assert_eq!(ours.body().ok().as_deref(), Some(theirs.body().as_ref()), "{path}");
    }
}

/// API Gateway lets these characters through. When this fails, `lambda_http` reads them, and its parser can take the
/// place of [`HttpEvent`]: see "A request" in ARCHITECTURE.md.
#[test]
fn lambda_http_still_panics_on_raw_characters() {
    let mut event: Value = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "", "headers": {}, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "1", "apiId": "1", "stage": "$default", "timeEpoch": 1, "requestId": "1",
            "http": { "method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
        },
    });
    let mut read = Vec::new();
    for (place, text) in [("rawQueryString", "q=\"<>"), ("rawQueryString", "q=a b"), ("rawPath", "/a b")] {
        let mut strange = event.clone();
        strange[place] = text.into();
        let strange = strange.to_string();
        assert!(serde_json::from_str::<HttpEvent>(&strange).unwrap().request().is_ok(), "{text}");
        if catch_unwind(AssertUnwindSafe(|| lambda_http::request::from_str(&strange).is_ok())).is_ok_and(|read| read) {
            read.push(text);
        }
    }
    event["rawPath"] = "/api/1/tasks".into();
    assert!(lambda_http::request::from_str(&event.to_string()).is_ok());
    assert!(read.len() < 3, "lambda_http reads {read:?}");
}
