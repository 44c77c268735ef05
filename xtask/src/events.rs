//! The sample events and their expected answers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use anyhow::{Context, Result, bail};
use devtools::settings::root;

use crate::migration;
use serde_json::Value;

/// An event in `events/<function>/`, with its expected answer from `answers/` in that folder.
pub(crate) struct Event {
    pub(crate) function: String,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) answer: Value,
}

/// The events of one function, or of all functions.
pub(crate) fn read(only: Option<&str>) -> Result<Vec<Event>> {
    let folder = root().join("events");
    let mut events = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let function = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && only.is_none_or(|only| only == function) {
            events.extend(of_function(&path, &function)?);
        }
    }
    events.sort_by(|one, other| one.path.cmp(&other.path));
    if events.is_empty() {
        bail!("There are no events in events/{}", only.unwrap_or_default());
    }
    Ok(events)
}

fn of_function(folder: &Path, function: &str) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_name().unwrap_or_default();
            let answer = folder.join("answers").join(name);
            let text = fs::read_to_string(&answer).with_context(|| answer.display().to_string())?;
            let answer = serde_json::from_str(&text).with_context(|| answer.display().to_string())?;
            let name = name.to_string_lossy().into_owned();
            events.push(Event { function: function.to_owned(), name, path, answer });
        }
    }
    Ok(events)
}

/// Whether an answer is as expected. The expected answer may leave out headers, and fields of the answer as a whole.
/// `"{{any}}"` matches any value.
pub(crate) fn holds(expected: &Value, got: &Value) -> bool {
    let Value::Object(expected) = expected else { return same(expected, got) };
    expected.iter().all(|(name, expected)| match (name.as_str(), got.get(name)) {
        ("headers", Some(Value::Object(got))) => expected.as_object().is_some_and(|expected| {
            expected.iter().all(|(name, value)| got.get(name).is_some_and(|got| same(value, got)))
        }),
        ("body", Some(Value::String(text))) => match serde_json::from_str(text) {
            Ok(body) => same(expected, &body),
            Err(_) => same(expected, &Value::String(text.clone())),
        },
        (_, Some(got)) => same(expected, got),
        (_, None) => false,
    })
}

/// The fields that the description of a task has.
static TASK_FIELDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let document = shared::openapi::document();
    let fields = document.pointer("/components/schemas/Task/properties").and_then(Value::as_object);
    fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect()
});

fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(text), _) if text == "{{any}}" => true,
        (Value::String(text), _) if text == "{{newest_migration}}" => {
            migration::newest().is_ok_and(|newest| got.as_u64() == Some(newest.into()))
        }
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| same(expected, got))
        }
        (Value::Object(expected), Value::Object(got)) => {
            // A task may have newer fields than the expected answer has, as long as they are described and null.
            let is_new = |(name, value): (&String, &Value)| {
                !expected.contains_key(name) && value.is_null() && TASK_FIELDS.contains(name)
            };
            let new = if expected.contains_key("id") { got.iter().filter(|field| is_new(*field)).count() } else { 0 };
            expected.len() + new == got.len()
                && expected.iter().all(|(name, expected)| got.get(name).is_some_and(|got| same(expected, got)))
        }
        _ => expected == got,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_hold_in_what_they_say() {
        let got = json!({ "statusCode": 200, "headers": { "a": "1", "b": "2" }, "body": r#"{"id":1,"at":"now"}"# });
        assert!(holds(
            &json!({ "statusCode": 200, "headers": { "a": "1" }, "body": { "id": 1, "at": "{{any}}" } }),
            &got
        ));
        for wrong in [
            json!({ "statusCode": 201 }),
            json!({ "headers": { "a": "2" } }),
            json!({ "headers": { "c": "1" } }),
            json!({ "body": { "id": 1 } }),
            json!({ "body": { "id": 1, "at": "now", "more": "{{any}}" } }),
            json!({ "nothing": null }),
            json!({ "body": "{{newest_migration}}" }),
        ] {
            assert!(!holds(&wrong, &got), "{wrong}");
        }
    }

    #[test]
    fn a_task_may_have_new_fields_that_are_described_and_null() {
        let expected = json!({ "id": 1 });
        assert!(same(&expected, &json!({ "id": 1, "description": null })));
        for wrong in [json!({ "id": 1, "description": "x" }), json!({ "id": 1, "search_bytes": null })] {
            assert!(!same(&expected, &wrong), "{wrong}");
        }
    }
}
