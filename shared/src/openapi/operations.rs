//! The purpose, the input and the answers of each route.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::{ErrorResponse, Operation};
use crate::{
    auth::UserId,
    http::{Health, IdempotencyKey, IfMatch, Message},
    routes::{Access, ROUTES, Route},
    tasks::{Completion, ListQuery, NewTask, Task, TaskChanges, TaskId},
    users::{User, UserChanges},
};

/// Adds what is special to the operation of a route. The types in `takes` are those that the handler reads.
#[rustfmt::skip] // A route is a paragraph.
fn complete<'a>(operation: Operation<'a>, route: &Route) -> Operation<'a> {
    match route.function {
        "list-tasks" => operation.about("tasks", "List tasks")
            .description("A page ends at `limit`, or earlier so that its body stays within 5 MiB. The next one is in `Link`.")
            .takes::<ListQuery>()
            .answers::<Vec<Task>>("The tasks.", &["Link"]),
        "create-task" => operation.about("tasks", "Create a task")
            .description("With an `Idempotency-Key` it can be sent again without creating another.")
            .takes::<(Option<IdempotencyKey>, NewTask)>()
            .creates::<Task>("The new task.", &["Location", "IdempotentReplayed", "ETag"])
            .or_fails_with(ErrorResponse::TooManyTasks),
        "get-task" => operation.about("tasks", "Get a task")
            .takes::<TaskId>()
            .answers::<Task>("The task.", &["ETag"])
            .reads_versions(),
        "update-task" => operation.about("tasks", "Change a task")
            .description("Changes what is sent and leaves the rest; null clears the description.")
            .takes::<(TaskId, IfMatch, TaskChanges)>()
            .answers::<Task>("The changed task.", &["ETag"]),
        "delete-task" => operation.about("tasks", "Delete a task")
            .takes::<(TaskId, IfMatch)>()
            .answers::<Message>("It is deleted.", &[]),
        "complete-task" => operation.about("tasks", "Complete a task, or open it again")
            .description("Sets `completed`; without it, completes an open task and opens a completed one.")
            .takes::<(TaskId, IfMatch, Completion)>()
            .answers::<Task>("The changed task.", &["ETag"]),
        "get-me" => operation.about("users", "Get the caller")
            .answers::<User>("The caller.", &[]),
        "update-me" => operation.about("users", "Change the caller")
            .description("Changes what is sent and leaves the rest; null clears the image.")
            .takes::<UserChanges>()
            .answers::<User>("The changed caller.", &[]),
        "delete-me" => operation.about("users", "Delete the caller")
            .description("With the account go its tasks and sessions.")
            .answers::<Message>("The account is deleted.", &[])
            .or_fails_with(ErrorResponse::UserInUse),
        "health" => operation.about("service", "Ask whether the API is well")
            .answers::<Health>("It is.", &[])
            .or_fails_with(ErrorResponse::Unavailable),
        "docs" if route.path == "/docs" => operation.about("service", "Read the documentation")
            .answers_html("A page for people."),
        "docs" => operation.about("service", "Read this description")
            .answers::<Map<String, Value>>("An OpenAPI document.", &[]),
        // A test fails if a route ends up here.
        _ => operation,
    }
}

impl Operation<'_> {
    /// Adds 304, for a client that has the version already.
    fn reads_versions(mut self) -> Self {
        let description = "The versions that the client has: 304 when the task is one of them.";
        self.header("If-None-Match", description, &json!({ "type": "string" }));
        self.or_fails_with(ErrorResponse::NotModified)
    }
}

/// The operation of a route in OpenAPI's format, with the user id and the token that the route needs.
pub(super) fn describe(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let user_id = generator.subschema_for::<UserId>().to_value();
    let mut operation = Operation::new(generator);
    if route.path.contains("{user_id}") {
        operation.in_path("user_id", "The id of the user whom the token names.", &user_id);
    }
    if route.path.contains('{') {
        operation.fails_with(ErrorResponse::Forbidden);
    }
    if route.access == Access::User {
        operation.fails_with(ErrorResponse::Unauthenticated).fails_with(ErrorResponse::Unavailable);
    }
    let mut json = complete(operation, route).into_json(&id(route));
    if let (Access::User, Some(json)) = (route.access, json.as_object_mut()) {
        json.insert("security".into(), json!([{ "token": [] }]));
        if is_of_caller(route) {
            json.insert("tags".into(), json!(["own tasks"]));
        }
    }
    json
}

/// Whether a route is about tasks of the caller without saying so in its path.
fn is_of_caller(route: &Route) -> bool {
    route.access == Access::User && !route.path.contains("{user_id}") && !route.path.starts_with("/api/users/")
}

/// The operation's name in generated clients. With another path of the same function, the path's number is added.
fn id(route: &Route) -> String {
    let id = base_id(route);
    match ROUTES.iter().take_while(|other| *other != route).filter(|other| base_id(other) == id).count() {
        0 => id,
        others => format!("{id}{}", others + 1),
    }
}

/// `list-tasks` becomes `listTasks`, or `listOwnTasks`.
fn base_id(route: &Route) -> String {
    let name = if route.path == "/openapi.json" { "openapi" } else { route.function };
    let name = if is_of_caller(route) { name.replacen('-', "-own-", 1) } else { name.to_owned() };
    let mut id = String::new();
    for (at, word) in name.split('-').enumerate() {
        match word.split_at_checked(1).filter(|_| at > 0) {
            Some((first, rest)) => id.extend([first.to_uppercase(), rest.to_owned()]),
            None => id.push_str(word),
        }
    }
    id
}
