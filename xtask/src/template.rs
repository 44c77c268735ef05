//! `template.yaml`: generated from `xtask/template` and the route table. Also AWS's checks of the file, and the
//! template that CloudFormation gets.

use std::{fs, path::PathBuf};

use devtools::{
    settings::{root, target},
    tools::{self, Sam},
    ui::step,
};
use tokio::process::Command;

use anyhow::{Context, Result, bail};
use shared::routes::{Access, NOT_FOUND, ROUTES};

/// Any region works, because no request goes to AWS.
const REGION: &str = "us-east-1";

pub(crate) const FILE: &str = "template.yaml";

/// The parts that occur once, and the placeholder for the functions.
const TEMPLATE: &str = include_str!("../template/template.yaml");
const FUNCTIONS: &str = "  # {{functions}}\n";

/// The part that each API function has.
const FUNCTION: &str = include_str!("../template/function.yaml");
const EVENTS: &str = "        # {{events}}\n";

/// The functions that do not use the database.
const WITHOUT_DATABASE: [&str; 2] = ["docs", NOT_FOUND];

/// The text of the template.
pub(crate) fn text() -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in ROUTES.iter().map(|route| route.function).chain([NOT_FOUND]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let functions: Vec<_> = names.into_iter().map(function).collect();
    let made = "# Made by `cargo xtask generate` from xtask/template and the route table: change those.\n";
    format!("{made}{}", TEMPLATE.replace(FUNCTIONS, &functions.join("\n")))
}

/// The part for one function.
fn function(name: &str) -> String {
    let id: String = name.split('-').map(capitalised).collect();
    let routes: Vec<_> = ROUTES.iter().filter(|route| route.function == name).collect();
    let events: String =
        routes.iter().flat_map(|route| route.methods().iter().map(|method| event(method, route.path))).collect();
    let events = if events.is_empty() {
        let comment = "# An event without method and path is the API's $default route.";
        format!(
            "        {comment}\n        Default:\n          Type: HttpApi\n          Properties: {{ ApiId: !Ref Api }}\n"
        )
    } else {
        events + if name == "health" { HEALTH_CHECK } else { "" }
    };
    let mut text = FUNCTION.replace(EVENTS, &events).replace("{{id}}", &id).replace("{{name}}", name);
    if !routes.iter().any(|route| route.access == Access::User) {
        remove(&mut text, "          BETTER_AUTH_SECRET: !If\n", "      Events:\n");
    }
    if WITHOUT_DATABASE.contains(&name) {
        remove(&mut text, "      Environment:\n", "      Events:\n");
    }
    text
}

/// Calls the function as API Gateway does. The input is `events/health/scheduled.json`.
const HEALTH_CHECK: &str = r#"        Check:
          Type: ScheduleV2
          Properties:
            Name: !Sub ${AWS::StackName}-health
            State: !If [ChecksHealth, ENABLED, DISABLED]
            ScheduleExpression: !If [ChecksHealth, !Sub "rate(${HealthCheckMinutes} minutes)", rate(1 hour)]
            RetryPolicy: { MaximumRetryAttempts: 0 }
            Input: '{"version":"2.0","routeKey":"GET /health","rawPath":"/health","rawQueryString":"","headers":{},"requestContext":{"http":{"method":"GET","path":"/health"},"stage":"$default"},"isBase64Encoded":false}'
"#;

/// The event for a method and a path. `GET /api/{user_id}/tasks` becomes `GetApiUserIdTasks`.
fn event(method: &str, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = [method.to_ascii_lowercase().as_str()].into_iter().chain(words).map(capitalised).collect();
    format!(
        "        {name}:\n          Type: HttpApi\n          Properties: {{ ApiId: !Ref Api, Method: {method}, Path: \"{path}\" }}\n"
    )
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Removes the text from one line up to another.
fn remove(text: &mut String, from: &str, to: &str) {
    if let Some(start) = text.find(from)
        && let Some(length) = text[start..].find(to)
    {
        text.replace_range(start..start + length, "");
    }
}

/// Checks the template with `sam validate --lint` and with cfn-lint.
pub(crate) async fn check(sam: &Sam) -> Result<()> {
    step("Checking the template");
    let mut validate = Command::new(&sam.cli);
    validate.args(["validate", "--lint", "--region", REGION]).env("SAM_CLI_TELEMETRY", "0");
    let mut lint = Command::new(&sam.cfn_lint);
    lint.args(["template.yaml", "--regions", REGION]);
    for mut command in [validate, lint] {
        let output = command.current_dir(root()).output().await?;
        if !output.status.success() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            bail!("{}{}", text(&output.stdout), text(&output.stderr));
        }
    }
    Ok(())
}

/// Checks the workflows in `.github`, without using the network.
pub(crate) async fn check_workflows() -> Result<()> {
    step("Checking the workflows");
    let tools = tools::workflow_checks().await?;
    let mut zizmor = Command::new(tools.join("zizmor"));
    zizmor.args(["--offline", "--quiet", ".github/workflows"]);
    let mut actionlint = Command::new(tools.join("actionlint"));
    actionlint.arg("-shellcheck").arg(tools.join("shellcheck"));
    for mut command in [zizmor, actionlint] {
        let output = command.current_dir(root()).output().await?;
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            bail!("{}", String::from_utf8_lossy(&text));
        }
    }
    Ok(())
}

/// Runs the SAM transform for two releases, and returns the files with the results.
pub(crate) async fn transform(sam: &Sam) -> Result<[PathBuf; 2]> {
    let script = root().join("tests").join("transform.py");
    let paths = ["template.json", "template-of-the-next-release.json"].map(|name| target().join(name));
    for (path, release) in paths.iter().zip(["Release=1700000000", "Release=1700000001"]) {
        let mut command = Command::new(&sam.python);
        let output = command.arg(&script).arg(root().join("template.yaml")).arg(release).output().await?;
        if !output.status.success() {
            bail!("The SAM transform failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(path, &output.stdout).with_context(|| path.display().to_string())?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let text = text();
        assert!(!text.contains("# {{") && !text.contains("{{id}}") && !text.contains("{{name}}"));
    }
}
