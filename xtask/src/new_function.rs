//! `cargo xtask new-function`: creates the files of a new route, and its line in the route table.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use devtools::{settings::root, ui::step};
use serde_json::{Value, json};
use shared::routes::ROUTES;

/// The options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its name, such as `summarize-tasks`
    name: String,
    /// The method of its route
    #[arg(value_parser = ["GET", "POST", "PUT", "PATCH", "DELETE"])]
    method: String,
    /// The path of its route, such as `/api/{user_id}/tasks/summary`
    path: String,
}

/// The route table, and the line that a new route is inserted before.
const TABLE: (&str, &str) = ("shared/src/routes.rs", "    public(\"health\", ");

/// The file with the descriptions of the routes, and the line that a new description is inserted before.
const OPERATIONS: (&str, &str) = ("shared/src/openapi/operations.rs", "        \"get-me\" => ");

/// The event that new events are copied from.
const EVENT: &str = "events/get-task/own.json";
const ANSWER: &str = "events/get-task/answers/own.json";

/// Creates the files. They compile, and tests fail for the parts that must still be written.
pub(crate) fn run(options: &Options) -> Result<()> {
    check(options)?;
    let Options { name, method, path } = options;
    let folder = root().join("functions").join(name);
    let manifest = read("functions/get-task/Cargo.toml")?
        .replace("\"get-task\"", &format!("{name:?}"))
        .replace("GET /api/{user_id}/tasks/{id}", &format!("{method} {path}"));
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("src/main.rs"), &handler(options))?;
    insert(TABLE, &format!("    user({name:?}, {method:?}, {path:?}),\n"))?;
    let tag = if is_of_tasks(path) { "tasks" } else { "users" };
    let operation = format!(
        "        {name:?} => operation.about({tag:?}, \"\")\n            .answers::<Map<String, Value>>(\"\", &[]),\n"
    );
    insert(OPERATIONS, &operation)?;
    events(options)?;
    println!(
        "\nNext:
  1. {OPERATIONS}: a summary, what it reads, what it answers.
  2. The store: a function of the database in a file of SQL, and the Rust that calls it, as in
     shared/src/tasks/get.sql and `get` in shared/src/tasks/mod.rs, which needs `mod` and `pub use` of a new file.
     Then the handler in functions/{name}/src/main.rs.
  3. events/{name}/answers/own.json: the answer that it gives. A test in tests/it.
  4. cargo xtask generate, cargo xtask test tests, cargo xtask test events. docs/changing.md has more.",
        OPERATIONS = OPERATIONS.0,
    );
    Ok(())
}

fn check(Options { name, method, path }: &Options) -> Result<()> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    if !name.split('-').all(is_word) {
        bail!("The name of a function has lower-case words with hyphens between them, such as summarize-tasks.");
    }
    if root().join("functions").join(name).exists() {
        bail!("functions/{name} is there already.");
    }
    if !is_of_tasks(path) && !path.starts_with("/api/users/me/") || path.ends_with('/') || path.contains("//") {
        bail!(
            "The path of a route begins with /api/{{user_id}}/, /api/tasks/ or /api/users/me/, and has no empty segment."
        );
    }
    if path.split('/').any(|segment| segment.starts_with('{') && !["{user_id}", "{id}"].contains(&segment)) {
        bail!(
            "The parameters of a path are {{user_id}} and {{id}}; a new one has to be read in shared/src/http/request.rs."
        );
    }
    if let Some(route) = ROUTES.iter().find(|route| route.path == path && route.method == method) {
        bail!("{} answers {method} {path} already.", route.function);
    }
    Ok(())
}

fn is_of_tasks(path: &str) -> bool {
    path.starts_with("/api/{user_id}/") || path.starts_with("/api/tasks/")
}

fn handler(Options { method, path, name }: &Options) -> String {
    let authorize = if is_of_tasks(path) { "authorize" } else { "authorize_me" };
    format!(
        r#"//! `{method} {path}`: say here what it does.

use std::process::ExitCode;

use shared::{{
    App, Error, Result,
    http::{{Request, Response}},
    serve,
}};

async fn handle(app: &App, request: &Request) -> Result<Response> {{
    let (_owner, ()) = app.{authorize}(request).await?;
    // Here it asks the store, and answers with `Response::ok`.
    Err(Error::RouteNotFound)
}}

fn main() -> ExitCode {{
    serve("{name}", handle)
}}
"#
    )
}

/// Writes a request with a token and a request without a token, and their answers.
fn events(Options { name, method, path }: &Options) -> Result<()> {
    let mut event: Value = serde_json::from_str(&read(EVENT)?)?;
    let mut answer: Value = serde_json::from_str(&read(ANSWER)?)?;
    let called = path.replace("{user_id}", "1").replace("{id}", "1");
    let key = format!("{method} {path}");
    for (place, text) in [
        ("/routeKey", &key),
        ("/requestContext/routeKey", &key),
        ("/rawPath", &called),
        ("/requestContext/http/path", &called),
        ("/requestContext/http/method", method),
    ] {
        set(&mut event, place, text.as_str().into())?;
    }
    let parameters = event.pointer_mut("/pathParameters").and_then(Value::as_object_mut).context("pathParameters")?;
    parameters.retain(|name, _| path.contains(&format!("{{{name}}}")));
    set(&mut answer, "/body", json!({}))?;
    let folder = root().join("events").join(name);
    write_json(&folder.join("own.json"), &event)?;
    write_json(&folder.join("answers/own.json"), &answer)?;
    event.pointer_mut("/headers").and_then(Value::as_object_mut).context("headers")?.remove("authorization");
    let headers = answer.pointer_mut("/headers").and_then(Value::as_object_mut).context("headers")?;
    headers.insert("www-authenticate".into(), "Bearer".into());
    set(&mut answer, "/statusCode", 401.into())?;
    set(&mut answer, "/body", json!({ "detail": "Not authenticated" }))?;
    write_json(&folder.join("without-token.json"), &event)?;
    write_json(&folder.join("answers/without-token.json"), &answer)
}

/// Sets the value at a place in the sample event or its answer.
fn set(document: &mut Value, place: &str, value: Value) -> Result<()> {
    *document.pointer_mut(place).with_context(|| format!("{EVENT} or its answer has no {place}"))? = value;
    Ok(())
}

fn insert((file, before): (&str, &str), text: &str) -> Result<()> {
    let old = read(file)?;
    let at = old.find(before).with_context(|| format!("{file} has no {}", before.trim()))?;
    let (start, end) = old.split_at(at);
    write(&root().join(file), &format!("{start}{text}{end}"))
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).with_context(|| file.to_owned())
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, &format!("{}\n", serde_json::to_string_pretty(value)?))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| name.clone())?;
    }
    let is_new = !path.exists();
    fs::write(path, text).with_context(|| name.clone())?;
    step(&format!("{} {name}", if is_new { "Made" } else { "Changed" }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(name: &str, method: &str, path: &str) -> Options {
        Options { name: name.into(), method: method.into(), path: path.into() }
    }

    #[test]
    fn options_are_checked() {
        for path in ["/api/{user_id}/a-new-path", "/api/tasks/a-new-path", "/api/users/me/a-new-path"] {
            assert!(check(&options("a-new-function", "GET", path)).is_ok(), "{path}");
        }
        for (name, method, path) in [
            ("Summary", "GET", "/api/{user_id}/a-new-path"),
            ("../x", "GET", "/api/{user_id}/a-new-path"),
            ("get-task", "GET", "/api/{user_id}/a-new-path"),
            ("summary", "GET", "/api/{user_id}/{x}"),
            ("summary", "GET", "/api/{user_id}/tasks"),
            ("summary", "GET", "/api/tasks/{id}"),
            ("summary", "GET", "/health2"),
            ("summary", "GET", "/api/{user_id}/tasks/"),
        ] {
            assert!(check(&options(name, method, path)).is_err(), "{name} {method} {path}");
        }
    }

    /// The lines and files that new ones are based on must exist.
    #[test]
    fn places_are_there() {
        for (file, before) in [TABLE, OPERATIONS] {
            assert_eq!(read(file).unwrap().matches(before).count(), 1, "{before:?} in {file}");
        }
        for file in [EVENT, ANSWER] {
            assert!(read(file).is_ok(), "{file}");
        }
    }
}
