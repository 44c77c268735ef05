//! `cargo xtask generate`: writes the files that follow from the route table and the types.

use std::fs;

use anyhow::{Context, Result};
use devtools::{
    settings::{root, target},
    ui::step,
};
use shared::{
    Description,
    auth::UserIds,
    config::UsersTable,
    openapi,
    routes::{self, NOT_FOUND, ROUTES},
};

use crate::{frontend, template};

/// The description of the API.
const OPENAPI: &str = "openapi.json";

/// The manifest with the routes of `cargo lambda watch`, which begin at the line `ROUTER`.
const MANIFEST: &str = "Cargo.toml";
const ROUTER: &str = "[workspace.metadata.lambda.watch.router]\n";

/// The methods that `cargo lambda watch` supports.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// Writes all of these files, and the client of the example application.
pub(crate) async fn run() -> Result<()> {
    for (name, text) in [(OPENAPI, openapi()?), (template::FILE, template::text()), (MANIFEST, manifest()?)] {
        let path = root().join(name);
        let is_new = fs::read_to_string(&path).unwrap_or_default() != text;
        if is_new {
            fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        step(&format!("{name} {}", if is_new { "has changed" } else { "is as it was" }));
    }
    // The description inside this program is the old one, so this makes a new one.
    let file = target().join("openapi-of-the-example.json");
    fs::write(&file, Description::describe(&openapi()?, UserIds::Text, &UsersTable::BetterAuth))?;
    frontend::generate(&file).await
}

fn openapi() -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(&openapi::document()).context(OPENAPI)?))
}

/// The root manifest with the routes of `cargo lambda watch`. It lists every method of each path, because the router
/// has no default for methods that a path lacks.
fn manifest() -> Result<String> {
    let path = root().join(MANIFEST);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, _) = text.split_once(ROUTER).with_context(|| format!("{MANIFEST} has no {ROUTER}"))?;
    let mut text = format!("{before}{ROUTER}\"/\" = \"{NOT_FOUND}\"\n\"/{{*path}}\" = \"{NOT_FOUND}\"\n");
    let mut paths: Vec<&str> = Vec::new();
    for route in ROUTES {
        if !paths.contains(&route.path) {
            paths.push(route.path);
            text.push_str(&router_entry(route.path));
        }
    }
    Ok(text)
}

fn router_entry(path: &str) -> String {
    let lines = METHODS.map(|method| {
        // Here, a path with fewer parameters hides other paths for all methods. At API Gateway it hides them only
        // for its own methods.
        let function = routes::find(method, path).map_or(NOT_FOUND, |route| route.function);
        format!("    {{ method = \"{method}\", function = \"{function}\" }},\n")
    });
    format!("\"{path}\" = [\n{}]\n", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_routes_and_types_say() {
        for (name, text) in
            [(OPENAPI, openapi().unwrap()), (template::FILE, template::text()), (MANIFEST, manifest().unwrap())]
        {
            let committed = fs::read_to_string(root().join(name)).unwrap();
            assert!(committed == text, "{name} is old: run `cargo xtask generate`");
        }
    }
}
