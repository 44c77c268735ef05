//! [Schemathesis](https://schemathesis.io) makes good and bad requests from `openapi.json`, and compares the answers
//! with it.

use std::{process::Command, sync::Arc};

use shared::routes::{self, ROUTES, Route};
use tests::{Api, http_server::HttpServer, token};

/// The route that deletes the caller, so it must come last.
const LAST: &str = "DELETE /api/users/me";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_gets_an_answer_that_is_not_described() {
    let program = std::env::var("TEST_SCHEMATHESIS").expect(
        "TEST_SCHEMATHESIS is not set: it has to be the path of schemathesis (PyPI). `cargo xtask test` installs it.",
    );
    // By default, a few fixed examples. `SCHEMATHESIS_EXAMPLES` sets their number, and then they differ each time.
    let examples = std::env::var("SCHEMATHESIS_EXAMPLES");
    let is_fixed = examples.is_err();
    let examples = examples.unwrap_or_else(|_| "10".into());
    let api = Arc::new(Api::new().await);
    api.database.users(&[1]).await;
    // The examples in the description use a task with this id.
    api.database.task(1, "The first").await;
    let server = HttpServer::of(Arc::clone(&api)).await;
    let bearer = format!("Authorization: Bearer {}", token::of(1));
    let run = async |global: &[&str], options: &[&str]| {
        let mut command = Command::new(&program);
        let description = tests::root().join("openapi.json");
        command.args(global).arg("run").arg(description).args(["--url", server.url(), "--max-examples", &examples]);
        command.args(["-H", &bearer, "--request-timeout", "20", "--no-color"]).args(options);
        // Schemathesis stores its results in the current folder.
        command.current_dir(env!("CARGO_TARGET_TMPDIR"));
        if is_fixed {
            command.arg("--generation-deterministic");
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("schemathesis");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        println!("{text}");
    };
    let configuration = tests::root().join("tests/schemathesis.toml").display().to_string();
    run(&["--config-file", &configuration], &["--mode", "positive", "--exclude-name", LAST]).await;
    // Where a route with fewer parameters hides another one, a request with another method is the other one's, which
    // answers it, and not with a 405.
    let hiding = ROUTES.iter().filter(|route| {
        let own = ROUTES.iter().filter(|other| other.path == route.path).flat_map(Route::methods);
        routes::methods(route.path, true).len() > own.count()
    });
    let settings = hiding.map(|route| {
        let name = format!("{} {}", route.method, route.path);
        let checks = ["unsupported_method", "allow_header_conformance"];
        let off = checks.map(|check| format!("checks.{check}.enabled = false\n")).concat();
        format!("[[operations]]\ninclude-name = {name:?}\n{off}")
    });
    let negative = concat!(env!("CARGO_TARGET_TMPDIR"), "/schemathesis-negative.toml");
    // The good requests between bad ones are those of the first run.
    let checks = "[checks]\npositive_data_acceptance.enabled = false\n".to_owned();
    std::fs::write(negative, settings.fold(checks, |all, one| all + &one)).unwrap();
    run(&["--config-file", negative], &["--mode", "negative", "--exclude-name", LAST]).await;
    run(&[], &["--include-name", LAST]).await;
    let failed = api.log().await.into_iter().filter(|line| line["status"].as_u64().is_some_and(|status| status >= 500));
    assert_eq!(failed.collect::<Vec<_>>(), [serde_json::Value::Null; 0]);
    assert_eq!(api.database.value::<i64>(r#"SELECT count(*) FROM "user""#).await, 0, "the caller deleted themselves");
}
