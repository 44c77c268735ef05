//! The description of the API, `/openapi.json`. It is made from the route table, from the types that requests are
//! read into, and from the types of answers.
//!
//! Developers make the file (`cargo xtask generate`), and the function `docs` serves it. So deployed functions are
//! built without this module, which the feature `openapi` adds.

mod error_responses;
mod operation;
mod operations;
mod schemas;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

pub use error_responses::ErrorResponse;
pub use operation::Operation;
pub use schemas::NameOrIndex;
pub(crate) use schemas::{WITHOUT_NUL, nullable, object, optional, required};

use crate::routes::ROUTES;

/// The document for integer user ids and Better Auth's users table. [`crate::Description`] adapts it to a
/// deployment.
#[must_use]
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = operations::describe(route, &mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_lowercase(), operation);
        }
    }
    let responses = error_responses::all(&mut generator);
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
        "tags": [
            { "name": "tasks" },
            { "name": "own tasks", "description": "The same without the user in the path: the tasks of the caller." },
            { "name": "users" },
            { "name": "service" },
        ],
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
            "schemas": generator.take_definitions(true),
            "responses": responses,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Names of functions in generated clients.
    #[test]
    fn operations_have_ids_of_their_own() {
        let document = document();
        let mut ids = std::collections::BTreeSet::new();
        for route in ROUTES {
            let id = document["paths"][route.path][route.method.to_lowercase()]["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id}");
        }
    }

    #[test]
    fn every_route_is_described() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.to_lowercase()];
            let place = "shared/src/openapi/operations.rs";
            assert!(operation["summary"] != "", "{} is not described: add it to {place}", route.function);
        }
    }
}
