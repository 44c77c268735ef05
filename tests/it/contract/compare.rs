//! Compares an answer with the recorded answer.

use std::{collections::BTreeSet, sync::LazyLock};

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tests::Response;

use super::data::{Binding, Case};

/// The differences.
pub fn check(case: &Case, response: &Response, changes: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let expected = &case.response;
    let mut expect = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    let got = format!("{} {}", response.status, response.body);
    expect(response.status < 500, format!("failed: {got}"));
    if response.status >= 300 {
        expect(*changes == json!({}), format!("refused, and yet changed {changes}"));
    }
    if case.binding == Binding::Free {
        return problems;
    }
    expect(response.status == expected.status, format!("expected {}, got {got}", expected.status));
    for (name, value) in &expected.headers {
        let found = response.header(name);
        expect(
            found.is_some_and(|found| header_holds(name, value, found, response)),
            format!("expected {name}: {value}, got {found:?}"),
        );
    }
    for name in ["www-authenticate", "access-control-allow-origin", "access-control-allow-credentials", "allow"] {
        let unexpected = response.header(name).filter(|_| !expected.headers.contains_key(name));
        expect(unexpected.is_none(), format!("unexpected {name}: {unexpected:?}"));
    }
    let Some(body) = &expected.body else {
        if case.binding == Binding::Exact {
            expect(expected.body_text.as_deref() == Some(&response.body), format!("another text: {got}"));
        }
        return problems;
    };
    if case.binding == Binding::Exact {
        let (expected_body, body) = (normal(body), normal(&response.json()));
        expect(same(&expected_body, &body), format!("expected {expected_body}, got {got}"));
        let expected_changes = if expected.db_changes.is_null() { json!({}) } else { expected.db_changes.clone() };
        let expected_changes = with_new_id(&expected_changes, &response.json());
        expect(same(&expected_changes, changes), format!("expected rows {expected_changes}, got {changes}"));
    } else if expected.status == 422 {
        expect(kinds(body) == kinds(&response.json()), format!("expected errors {body}, got {got}"));
    }
    problems
}

/// The fields of tasks and users that `openapi.json` describes.
static DESCRIBED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(&tests::read("openapi.json")).expect("openapi.json");
    let fields = ["Task", "User"].map(|name| document["components"]["schemas"][name]["properties"].clone());
    fields.iter().flat_map(|fields| fields.as_object().expect("properties").keys().cloned()).collect()
});

/// Whether two values are equal. Timestamps are compared as instants, and placeholders by their meaning. A task or a
/// user (an object with an `id`) may have additional fields that are null. So the API can grow, and `openapi.json`
/// says which fields exist.
pub fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(placeholder), _) if placeholder == "{{any}}" => true,
        (Value::String(placeholder), _) if placeholder == "{{new_id}}" => got.as_i64().is_some_and(|id| id >= 5001),
        (Value::String(placeholder), _) if placeholder == "{{now}}" => instant(got).is_some_and(|at| {
            let age = Utc::now() - at;
            age.num_seconds() >= -1 && age.num_seconds() < 60
        }),
        (Value::String(expected_text), Value::String(text)) => {
            expected_text == text || instant(expected).is_some_and(|at| Some(at) == instant(got))
        }
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| same(expected, got))
        }
        (Value::Object(expected), Value::Object(got)) => {
            let is_new = |(key, value): (&String, &Value)| {
                !expected.contains_key(key) && value.is_null() && DESCRIBED.contains(key)
            };
            let new = if expected.contains_key("id") { got.iter().filter(|field| is_new(*field)).count() } else { 0 };
            expected.len() + new == got.len()
                && expected.iter().all(|(key, expected)| got.get(key).is_some_and(|got| same(expected, got)))
        }
        _ => expected == got,
    }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|at| at.to_utc())
}

/// A body without the position and the wording of a JSON syntax error, which depend on the parser.
fn normal(body: &Value) -> Value {
    let mut body = body.clone();
    for error in body.get_mut("detail").and_then(Value::as_array_mut).into_iter().flatten() {
        if error["type"] == "json_invalid" {
            assert!(error["loc"][1].is_u64() && error["ctx"]["error"].is_string(), "{error}");
            error["loc"] = json!(["body"]);
            error["ctx"] = Value::Null;
        }
    }
    body
}

/// The changes, with the id of the created row filled in.
fn with_new_id(changes: &Value, body: &Value) -> Value {
    let text = changes.to_string().replace("\"{{new_id}}\":", &format!("\"{}\":", body["id"]));
    serde_json::from_str(&text).expect("the changes")
}

fn header_holds(name: &str, expected: &str, got: &str, response: &Response) -> bool {
    let list = |text: &str| text.split(',').map(|part| part.trim().to_ascii_lowercase()).collect::<Vec<_>>();
    match name {
        // The answer may list more. The API does not support the method QUERY and private networks.
        "allow" | "vary" | "access-control-allow-methods" => list(expected)
            .iter()
            .filter(|part| !["query", "access-control-request-private-network"].contains(&part.as_str()))
            .all(|part| list(got).contains(part)),
        // The location may be relative.
        "location" => {
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            decoded(&expected.replace("http://{{host}}", "")) == decoded(got)
        }
        _ => expected == got || (name == "content-type" && response.body.is_empty()),
    }
}

/// Type and place of each error in a 422.
fn kinds(body: &Value) -> Vec<(Value, Value)> {
    let errors = body["detail"].as_array().into_iter().flatten();
    errors.map(|error| (error["type"].clone(), error["loc"][0].clone())).collect()
}
