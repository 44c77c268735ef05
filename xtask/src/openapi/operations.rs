//! What each route takes and answers.

use serde_json::{Map, Value, json};
use shared::{
    routes::{Access, Route},
    tasks::{MAX_LIMIT, ORDERS, SORT_ALIASES, SORTS, STATUSES},
};

use super::schemas::{self, reference};

/// What is particular to an operation.
struct Operation {
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    body: Option<Body>,
    success: (u16, &'static str, Value),
}

/// What an operation takes.
struct Body {
    schema: &'static str,
    is_required: bool,
}

const fn required(schema: &'static str) -> Body {
    Body { schema, is_required: true }
}

/// The operation of a route.
pub(super) fn of(route: &Route) -> Value {
    let operation = described(route);
    let mut result = json!({
        "operationId": operation_id(route),
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": responses(route, &operation),
    });
    let mut set = |name: &str, value: Value| {
        if let Some(result) = result.as_object_mut() {
            result.insert(name.into(), value);
        }
    };
    if !operation.description.is_empty() {
        set("description", operation.description.into());
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        set("parameters", parameters.into());
    }
    if let Some(body) = operation.body {
        let schema = reference(body.schema);
        set(
            "requestBody",
            json!({ "required": body.is_required, "content": { "application/json": { "schema": schema } } }),
        );
    }
    if route.access == Access::User {
        set("security", json!([{ "token": [] }]));
    }
    result
}

fn operation_id(route: &Route) -> String {
    let name = if route.path == "/openapi.json" { "openapi" } else { route.function };
    let mut id = String::new();
    for (at, word) in name.split('-').enumerate() {
        match word.split_at_checked(1).filter(|_| at > 0) {
            Some((first, rest)) => id.extend([first.to_uppercase(), rest.to_owned()]),
            None => id.push_str(word),
        }
    }
    id
}

fn described(route: &Route) -> Operation {
    let task = || reference("Task");
    let (tag, summary, description, body, success) = match route.function {
        "list-tasks" => (
            "tasks",
            "List tasks",
            "A page ends at `limit`, or earlier so that its body stays within 5 MiB. The next one is in `Link`.",
            None,
            (200, "The tasks.", json!({ "type": "array", "items": task() })),
        ),
        "create-task" => (
            "tasks",
            "Create a task",
            "With an `Idempotency-Key` it can be sent again without creating another.",
            Some(required("NewTask")),
            (201, "The new task.", task()),
        ),
        "get-task" => ("tasks", "Get a task", "", None, (200, "The task.", task())),
        "update-task" => (
            "tasks",
            "Change a task",
            "Changes what is sent and leaves the rest; null clears the description.",
            Some(required("TaskChanges")),
            (200, "The changed task.", task()),
        ),
        "delete-task" => ("tasks", "Delete a task", "", None, (200, "It is deleted.", reference("Message"))),
        "complete-task" => (
            "tasks",
            "Complete a task, or open it again",
            "Sets `completed`; without it, completes an open task and opens a completed one.",
            Some(Body { schema: "Completion", is_required: false }),
            (200, "The changed task.", task()),
        ),
        "get-me" => ("users", "Get the caller", "", None, (200, "The caller.", reference("User"))),
        "update-me" => (
            "users",
            "Change the caller",
            "Changes what is sent and leaves the rest; null clears the image.",
            Some(required("UserChanges")),
            (200, "The changed caller.", reference("User")),
        ),
        "delete-me" => (
            "users",
            "Delete the caller",
            "With the account go its tasks and sessions.",
            None,
            (200, "The account is deleted.", reference("Message")),
        ),
        "health" => ("service", "Ask whether the API is well", "", None, (200, "It is.", reference("Health"))),
        "docs" if route.path == "/docs" => {
            ("service", "Read the documentation", "", None, (200, "A page for people.", Value::Null))
        }
        "docs" => {
            ("service", "Read this description", "", None, (200, "An OpenAPI document.", json!({ "type": "object" })))
        }
        // A test says so.
        _ => ("", "", "", None, (200, "", Value::Null)),
    };
    Operation { tag, summary, description, body, success }
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    let task_id = json!({ "type": "integer", "format": "int64", "examples": [1] });
    for (name, description, schema) in [
        ("user_id", "The id of the user whom the token names.", schemas::user_id()),
        ("id", "The id of a task.", task_id),
    ] {
        if route.path.contains(&format!("{{{name}}}")) {
            parameters.push(json!({
                "name": name, "in": "path", "required": true, "description": description, "schema": schema,
            }));
        }
    }
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "description": description, "schema": schema });
    match route.function {
        "create-task" => parameters.push(header(
            "Idempotency-Key",
            "What the client calls this request: sent again with the same key within a day, it gets the first answer.",
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
        )),
        "get-task" => parameters.push(header(
            "If-None-Match",
            "The versions that the client has: 304 when the task is one of them.",
            json!({ "type": "string" }),
        )),
        "update-task" | "complete-task" | "delete-task" => parameters.push(header(
            "If-Match",
            "The versions that the change is meant for: 412 when the task is another by now.",
            json!({ "type": "string" }),
        )),
        _ => {}
    }
    if route.function == "list-tasks" {
        let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
        parameters.extend([
            query("completed", "Only completed tasks, or only open ones.", json!({ "type": "boolean" })),
            query("status", "The same in other words; `all` is no filter.", json!({ "type": "string", "enum": STATUSES })),
            query(
                "q",
                "Only tasks whose title or description contains this, in any case.",
                json!({ "type": "string", "maxLength": 100 }),
            ),
            query("search", "The same as `q`.", json!({ "type": "string", "maxLength": 100 })),
            query(
                "sort",
                "The order; `-` for descending. `created` and `updated` stand for `created_at` and `updated_at`. Without it, \
                 the deployment's usual order: `id`, unless it has set another.",
                json!({ "type": "string", "enum": sorts() }),
            ),
            query(
                "order",
                "The direction of `sort`, or of the usual order.",
                json!({ "type": "string", "enum": ORDERS }),
            ),
            query(
                "limit",
                "The most tasks on a page.",
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": MAX_LIMIT }),
            ),
            query(
                "page_size",
                "The same as `limit`.",
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT }),
            ),
            query(
                "cursor",
                "Where the page before ended: comes with the address in its `Link`. It costs the same however deep the \
                 page is, and misses no task when others come and go.",
                json!({ "type": "string" }),
            ),
            query(
                "offset",
                "How many tasks come before the page, in place of a cursor.",
                json!({ "type": "integer", "minimum": 0 }),
            ),
            query("skip", "The same as `offset`.", json!({ "type": "integer", "minimum": 0 })),
            query(
                "page",
                "The number of the page, from 1 on, of pages of `limit` tasks, in place of a cursor.",
                json!({ "type": "integer", "minimum": 1 }),
            ),
        ]);
    }
    parameters
}

/// Every name of an order.
fn sorts() -> Vec<&'static str> {
    SORTS.into_iter().chain(SORT_ALIASES.map(|(alias, _)| alias)).collect()
}

fn responses(route: &Route, operation: &Operation) -> Value {
    let (status, description, schema) = &operation.success;
    let mut headers = Map::new();
    let mut header = |name: &str, component: &str| {
        headers.insert(name.into(), json!({ "$ref": format!("#/components/headers/{component}") }));
    };
    header("x-request-id", "RequestId");
    match route.function {
        "list-tasks" => header("link", "Link"),
        "create-task" => {
            header("location", "Location");
            header("idempotent-replayed", "IdempotentReplayed");
            header("etag", "ETag");
        }
        "get-task" | "update-task" | "complete-task" => header("etag", "ETag"),
        _ => {}
    }
    let content = if schema.is_null() {
        json!({ "text/html": { "schema": { "type": "string" } } })
    } else {
        json!({ "application/json": { "schema": schema } })
    };
    let mut responses = Map::new();
    responses.insert(status.to_string(), json!({ "description": description, "headers": headers, "content": content }));
    let has_id = route.path.contains("{id}");
    for (status, name, applies) in [
        (304, "NotModified", route.function == "get-task"),
        (400, "UnreadableBody", operation.body.is_some()),
        (401, "Unauthenticated", route.access == Access::User),
        (403, "Forbidden", route.path.contains("{user_id}")),
        (404, "TaskNotFound", has_id),
        (409, "TooManyTasks", route.function == "create-task"),
        (409, "UserInUse", route.function == "delete-me"),
        (412, "PreconditionFailed", ["update-task", "complete-task", "delete-task"].contains(&route.function)),
        (413, "BodyTooLarge", operation.body.is_some()),
        (422, "Invalid", operation.body.is_some() || route.path.contains('{')),
        (500, "Failed", true),
        (503, "Unavailable", route.function != "docs"),
    ] {
        if applies {
            responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }));
        }
    }
    responses.into()
}
