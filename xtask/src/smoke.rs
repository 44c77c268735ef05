//! `cargo xtask smoke`: checks that a deployed API works, with requests like those of its users.

use std::{env, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use devtools::ui::print;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::Agent;

/// The time limit for an answer. A database that was suspended has to wake up.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How often a request is sent in all while the answer is 503.
const ATTEMPTS: usize = 3;

/// The advice when the check fails.
const ADVICE: &str = "This release does not work. To go back: while traffic still moves to it, \
    `aws deploy stop-deployment --auto-rollback-enabled --deployment-id <id>` for each of `aws deploy \
    list-deployments --include-only-statuses InProgress`; after that, run the deployment of the tag before it again. \
    docs/operating.md has what each answer means.";

/// The options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the API is, such as the output `ApiUrl` of its stack
    #[arg(long)]
    url: String,
    /// The id of the user whose token is in `SMOKE_TOKEN`; the token's `sub` when it is not given
    #[arg(long)]
    user: Option<String>,
}

/// Checks the API. On failure, says what is wrong and how to go back. The variable `SMOKE_TOKEN` has a user's access
/// token. Without it, the list is not checked.
pub(crate) async fn run(options: &Options) -> Result<()> {
    // Not an option, because other users of a machine can see the options of its programs.
    let token = env::var("SMOKE_TOKEN").ok().filter(|token| !token.is_empty());
    check(options, token.as_deref()).await.map_err(|error| anyhow!("{error:#}\n\n{ADVICE}"))?;
    if token.is_none() {
        print("NOT TESTED: whether it takes a token, as there is none; set SMOKE_TOKEN.");
    }
    Ok(())
}

async fn check(options: &Options, token: Option<&str>) -> Result<()> {
    let base = options.url.trim_end_matches('/');
    ensure!(base.starts_with("https://") || base.starts_with("http://"), "--url: {base:?} is no http(s):// address");
    let (status, body) = get(base, "/health", None).await?;
    ensure!(
        status == 200 && body.get("status").is_some_and(|status| status == "ok"),
        "GET /health: expected 200 and status ok, got {status} {body}"
    );
    print("ok: the API reaches its database, and the schema is this release's");

    let tasks = |user: &str| format!("/api/{}/tasks?limit=1", utf8_percent_encode(user, NON_ALPHANUMERIC));
    for (token, what) in [(None, "no token"), (Some("e30.e30.e30"), "a forged token")] {
        let (status, body) = get(base, &tasks("1"), token).await?;
        ensure!(status == 401, "a list with {what}: expected 401, got {status} {body}");
        print(format!("ok: {what} is refused"));
    }

    if let Some(token) = token {
        let user = match &options.user {
            Some(user) => user.clone(),
            None => subject(token).context("the token has no sub; give --user")?,
        };
        let (status, body) = get(base, &tasks(&user), Some(token)).await?;
        ensure!(
            status != 401,
            "the user's list: 401. The token has expired, or this release does not trust its issuer: \
             look at BetterAuthUrl, JwtIssuer, JwtAudience and at `reason` in the log"
        );
        ensure!(status == 200 && body.is_array(), "the user's list: expected 200 and an array, got {status} {body}");
        print("ok: the user's token is taken, and the tasks are listed");
    }
    Ok(())
}

/// The `sub` of a token. The token is not verified here.
fn subject(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("sub")?.as_str().map(str::to_owned)
}

/// Gets a path, and returns status and body.
async fn get(base: &str, path: &str, token: Option<&str>) -> Result<(u16, Value)> {
    let url = format!("{base}{path}");
    let header = token.map(|token| format!("Bearer {token}"));
    let work = move || {
        let agent: Agent =
            Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build().into();
        for attempt in 1..=ATTEMPTS {
            let mut request = agent.get(&url);
            if let Some(header) = &header {
                request = request.header("authorization", header);
            }
            let mut answer = request.call().with_context(|| format!("no answer of {url}"))?;
            let status = answer.status().as_u16();
            if status == 503 && attempt < ATTEMPTS {
                std::thread::sleep(Duration::from_secs(1));
                continue;
            }
            let text = answer.body_mut().read_to_string().with_context(|| url.clone())?;
            return Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))));
        }
        bail!("no answer of {url}")
    };
    tokio::task::spawn_blocking(work).await.context("a request")?
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::tests::{Api, http_server::HttpServer, token};
    use serde_json::json;

    use super::*;

    /// The result of the smoke test for an API with one variable changed.
    async fn smoke((name, value): (&str, &str), change: impl AsyncFnOnce(&Api)) -> Result<()> {
        let api = Api::new().await.with(name, value);
        api.database.users(&[1]).await;
        api.database.task(1, "Milk").await;
        change(&api).await;
        let server = HttpServer::of(Arc::new(api)).await;
        let token = token::with(&json!({ "sub": "1", "exp": token::now() + 60 }));
        check(&Options { url: format!("{}/", server.url()), user: None }, Some(&token)).await
    }

    #[tokio::test]
    async fn a_release_that_works_passes() {
        smoke(("DEFAULT_SORT", "id"), async |_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn a_release_that_answers_500_fails() {
        // The health check passes, but no release can read this row.
        let spoil = "ALTER TABLE task_api.task ALTER COLUMN title DROP NOT NULL; UPDATE task_api.task SET title = NULL";
        let broken = smoke(("DEFAULT_SORT", "id"), async |api| api.database.execute(spoil).await).await.unwrap_err();
        assert!(broken.to_string().contains("the user's list: expected 200 and an array, got 500"), "{broken}");
    }

    #[tokio::test]
    async fn a_release_with_a_wrong_issuer_fails() {
        let wrong = smoke(("JWT_ISSUER", "https://elsewhere.example.com"), async |_| ()).await.unwrap_err();
        assert!(wrong.to_string().contains("does not trust its issuer"), "{wrong}");
    }

    #[tokio::test]
    async fn a_release_without_its_schema_fails() {
        let drop = async |api: &Api| {
            let schema = shared::db::RELEASE_SCHEMA;
            api.database.execute(&format!("DROP SCHEMA {schema} CASCADE")).await;
        };
        let missing = smoke(("DEFAULT_SORT", "id"), drop).await.unwrap_err();
        assert!(missing.to_string().contains("GET /health: expected 200"), "{missing}");
    }
}
