//! `openapi.json`: the description of the API, made from the route table and the types.

mod operations;
mod schemas;

use std::fs;

use anyhow::{Context, Result};
use devtools::{settings::root, ui::step};
use serde_json::{Map, Value, json};
use shared::routes::ROUTES;

const FILE: &str = "openapi.json";

/// Writes the file.
pub(crate) fn write() -> Result<()> {
    let path = root().join(FILE);
    fs::write(&path, text()?).with_context(|| path.display().to_string())?;
    step(&format!("Wrote {FILE}"));
    Ok(())
}

fn text() -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(&document()).context(FILE)?))
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_lowercase(), operations::of(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Task API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Tasks of users. Every error is `{\"detail\": …}`, \
                and every answer has an `x-request-id`, which is also in the log.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": ".", "description": "This API, where this document is" }],
        "tags": [{ "name": "tasks" }, { "name": "users" }, { "name": "service" }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of the issuer that this deployment trusts; `sub`, or the claim that it is configured with, has the user's id.",
                },
            },
            "headers": schemas::headers(),
            "schemas": schemas::all(),
            "responses": schemas::refusals(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_types_say() {
        let committed = fs::read_to_string(root().join(FILE)).unwrap();
        assert!(committed == text().unwrap(), "openapi.json is old: run `cargo xtask openapi`");
    }

    #[test]
    fn every_route_is_described() {
        for route in ROUTES {
            let summary = operations::of(route)["summary"].as_str().unwrap().to_owned();
            assert!(!summary.is_empty(), "{} is not described: add it to `described` in operations.rs", route.function);
        }
    }

    /// Every `$ref` leads somewhere.
    #[test]
    fn references_resolve() {
        let document = document();
        let text = document.to_string();
        let mut references = 0;
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            references += 1;
        }
        assert!(references > 20);
    }
}
