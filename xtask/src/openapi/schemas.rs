//! The types of the API as JSON Schema, with the bounds that the types have.

use serde_json::{Value, json};
use shared::{
    tasks::{Description, Title},
    users::{Image, Name},
};

/// A reference to one of [`all`].
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id of this request in the log.",
            "schema": { "type": "string" },
        },
        "Link": {
            "description": "The next page as `<path>; rel=\"next\"`; absent on the last one.",
            "schema": { "type": "string" },
        },
        "ETag": {
            "description": "The version of the task, for `If-Match` and `If-None-Match`.",
            "schema": { "type": "string" },
        },
        "IdempotentReplayed": {
            "description": "`true` when the same request with this key was answered before; absent otherwise.",
            "schema": { "type": "string", "const": "true" },
        },
        "Location": {
            "description": "The path of the new task.",
            "schema": { "type": "string" },
        },
        "RetryAfter": {
            "description": "Seconds to wait before another attempt.",
            "schema": { "type": "integer" },
        },
    })
}

fn string(bounds: (usize, usize), example: &str) -> Value {
    json!({ "type": "string", "minLength": bounds.0, "maxLength": bounds.1, "examples": [example] })
}

fn nullable(bounds: (usize, usize), example: &str) -> Value {
    json!({ "type": ["string", "null"], "minLength": bounds.0, "maxLength": bounds.1, "examples": [example] })
}

fn timestamp() -> Value {
    json!({ "type": "string", "format": "date-time", "examples": ["2026-01-02T03:04:05.123456Z"] })
}

fn object(required: &[&str], properties: &Value) -> Value {
    let mut schema = json!({ "type": "object", "properties": properties });
    if let (Some(schema), false) = (schema.as_object_mut(), required.is_empty()) {
        schema.insert("required".into(), json!(required));
    }
    schema
}

/// The id of a user, whose schema says of what kind a deployment's are.
pub(super) fn user_id() -> Value {
    json!({ "$ref": "#/components/schemas/UserId" })
}

/// Every schema, by name. Rows may have longer texts than requests: the columns are wider.
pub(super) fn all() -> Value {
    let boolean = json!({ "type": "boolean" });
    json!({
        "UserId": { "type": "integer", "format": "int32", "examples": [1] },
        "Task": object(
            &["id", "title", "description", "completed", "user_id", "created_at", "updated_at"],
            &json!({
                "id": { "type": "integer", "format": "int64", "examples": [1] },
                "title": { "type": "string", "examples": ["Buy milk"] },
                "description": { "type": ["string", "null"], "examples": ["two litres"] },
                "completed": boolean,
                "user_id": user_id(),
                "created_at": timestamp(),
                "updated_at": timestamp(),
            }),
        ),
        "NewTask": object(
            &["title"],
            &json!({
                "title": string(Title::BOUNDS, "Buy milk"),
                "description": nullable(Description::BOUNDS, "two litres"),
            }),
        ),
        "TaskChanges": object(
            &[],
            &json!({
                "title": string(Title::BOUNDS, "Buy oat milk"),
                "description": nullable(Description::BOUNDS, "one litre"),
                "completed": boolean,
            }),
        ),
        "Completion": object(&[], &json!({ "completed": boolean })),
        "User": object(
            &["id", "name", "email", "image", "email_verified", "created_at", "updated_at"],
            &json!({
                "id": user_id(),
                "name": { "type": "string", "examples": ["Alice"] },
                "email": { "type": "string", "examples": ["alice@example.com"] },
                "image": { "type": ["string", "null"], "examples": ["https://example.com/alice.png"] },
                "email_verified": boolean,
                "created_at": timestamp(),
                "updated_at": timestamp(),
            }),
        ),
        "UserChanges": object(
            &[],
            &json!({
                "name": string(Name::BOUNDS, "Alice B."),
                "image": nullable(Image::BOUNDS, "https://example.com/alice.png"),
            }),
        ),
        "Message": object(&["message"], &json!({ "message": { "type": "string", "examples": ["Task deleted"] } })),
        "Health": object(&["status"], &json!({ "status": { "type": "string", "const": "ok" } })),
        "Error": object(&["detail"], &json!({ "detail": { "type": "string" } })),
        "ValidationError": object(
            &["detail"],
            &json!({ "detail": { "type": "array", "items": reference("Problem"), "minItems": 1 } }),
        ),
        "Problem": object(
            &["type", "loc", "msg", "input"],
            &json!({
                "type": { "type": "string", "description": "The kind of problem, as pydantic names it.", "examples": ["missing"] },
                "loc": {
                    "type": "array",
                    "items": { "type": ["string", "integer"] },
                    "description": "Where it is.",
                    "examples": [["body", "title"]],
                },
                "msg": { "type": "string", "examples": ["Field required"] },
                "input": { "description": "What was sent there." },
                "ctx": { "type": "object", "description": "The bound that was crossed, or the cause." },
            }),
        ),
    })
}

/// The answers other than success, by name.
pub(super) fn refusals() -> Value {
    let id = json!({ "$ref": "#/components/headers/RequestId" });
    let refusal = |description: &str, detail: &str| {
        json!({
            "description": description,
            "headers": { "x-request-id": id },
            "content": { "application/json": { "schema": reference("Error"), "example": { "detail": detail } } },
        })
    };
    let mut unavailable = refusal("The database is away or too slow.", "The database is not available");
    if let Some(headers) = unavailable.pointer_mut("/headers").and_then(Value::as_object_mut) {
        headers.insert("retry-after".into(), json!({ "$ref": "#/components/headers/RetryAfter" }));
    }
    json!({
        "UnreadableBody": refusal("The body is not UTF-8.", "There was an error parsing the body"),
        "Unauthenticated": refusal("There is no valid token, or its user is gone.", "Not authenticated"),
        "Forbidden": refusal("The path or the task is another user's.", "Not authorized"),
        "TaskNotFound": refusal("There is no such task.", "Task not found"),
        "NotModified": {
            "description": "The client has this version.",
            "headers": { "x-request-id": id, "etag": { "$ref": "#/components/headers/ETag" } },
        },
        "TooManyTasks": refusal(
            "The user has as many tasks as there may be.",
            "There are 10000 tasks, as many as there may be",
        ),
        "UserInUse": refusal("Other data refers to the user, and does not go too.", "Other data refers to the user"),
        "PreconditionFailed": refusal("The task is none of the versions in `If-Match`.", "The task has changed since"),
        "BodyTooLarge": refusal("The body has more than 256 KiB.", "The body is too large"),
        "Invalid": {
            "description": "Something does not fit: every problem is listed.",
            "headers": { "x-request-id": id },
            "content": {
                "application/json": {
                    "schema": reference("ValidationError"),
                    "example": {
                        "detail": [{ "type": "missing", "loc": ["body", "title"], "msg": "Field required", "input": {} }],
                    },
                },
            },
        },
        "Failed": refusal("Something is wrong here; the log has the cause.", "Server error"),
        "Unavailable": unavailable,
    })
}
