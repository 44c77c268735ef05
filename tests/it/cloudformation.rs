//! The migrate function as a custom resource. A server here plays the part of CloudFormation.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    routing::put,
};
use serde_json::{Value, json};
use tests::{
    postgres::{Database, newest_migration as newest},
    runtime::Function,
};
use tokio::net::TcpListener;

/// The timeout of the function in `template.yaml`.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The place that the pre-signed URL leads to.
#[derive(Default)]
struct Bucket {
    answers: Mutex<Vec<Value>>,
    /// How many attempts fail before one succeeds.
    failures: Mutex<usize>,
}

struct CloudFormation {
    bucket: Arc<Bucket>,
    url: String,
}

impl CloudFormation {
    async fn start(failures: usize) -> Self {
        let bucket = Arc::new(Bucket { failures: failures.into(), ..Bucket::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/response?X-Amz-Signature=secret", listener.local_addr().unwrap());
        let router = Router::new().route("/response", put(take)).with_state(Arc::clone(&bucket));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { bucket, url }
    }

    fn event(&self, request_type: &str) -> Value {
        let mut event = json!({
            "RequestType": request_type,
            "ResponseURL": self.url,
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/task-api/1",
            "RequestId": "unique-1",
            "ResourceType": "Custom::Migrations",
            "LogicalResourceId": "Migrations",
            "ResourceProperties": { "ServiceToken": "arn", "Version": "1" },
        });
        if request_type != "Create" {
            event["PhysicalResourceId"] = "schema".into();
        }
        event
    }

    /// The only answer. Its ids must be those of the event.
    fn answer(&self) -> Value {
        let answers = self.bucket.answers.lock().unwrap();
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(answer["StackId"], "arn:aws:cloudformation:us-east-1:123456789012:stack/task-api/1");
        assert_eq!(answer["RequestId"], "unique-1");
        assert_eq!(answer["LogicalResourceId"], "Migrations");
        assert_eq!(answer["PhysicalResourceId"], "schema");
        answer.clone()
    }
}

async fn take(State(bucket): State<Arc<Bucket>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    // The URL is signed for an empty content type, and S3 needs a length.
    assert_eq!(headers.get("content-type").map(HeaderValue::as_bytes), Some(&b""[..]));
    assert_eq!(headers["content-length"], body.len().to_string());
    assert!(body.len() <= 4096, "{}", body.len());
    let mut failures = bucket.failures.lock().unwrap();
    if *failures > 0 {
        *failures -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    bucket.answers.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    StatusCode::OK
}

async fn function(url: String) -> Function {
    Function::start("migrate", &BTreeMap::from([("DATABASE_URL".to_owned(), url)]), 1).await
}

fn nowhere() -> String {
    "postgres://nobody@127.0.0.1:1/none?sslmode=disable".into()
}

async fn version(database: &Database) -> i64 {
    database.value("SELECT max(version)::bigint FROM refinery_schema_history").await
}

#[tokio::test]
async fn create_and_update_migrate() {
    for request_type in ["Create", "Update"] {
        let database = Database::empty().await;
        let cloudformation = CloudFormation::start(0).await;
        let function = function(database.url()).await;
        function.invoke_within(&cloudformation.event(request_type), TIMEOUT).await.unwrap();
        let answer = cloudformation.answer();
        assert_eq!(
            (&answer["Status"], &answer["Data"]),
            (&json!("SUCCESS"), &json!({ "Version": newest().to_string() })),
            "{answer}"
        );
        assert_eq!(version(&database).await, newest());
        assert!(!function.log().join("\n").contains("X-Amz-Signature"));
    }
}

#[tokio::test]
async fn create_and_update_fail_with_the_reason() {
    for request_type in ["Create", "Update"] {
        let database = Database::empty().await;
        database.execute("CREATE SCHEMA task_api; CREATE TABLE task_api.task (mine INTEGER)").await;
        let cloudformation = CloudFormation::start(0).await;
        function(database.url()).await.invoke_within(&cloudformation.event(request_type), TIMEOUT).await.unwrap();
        let answer = cloudformation.answer();
        assert_eq!(answer["Status"], "FAILED", "{answer}");
        assert!(answer["Reason"].as_str().unwrap().contains("migrations/V1__task_api.sql"), "{answer}");
    }
}

#[tokio::test]
async fn without_a_database_create_and_update_fail_and_delete_does_not() {
    for (request_type, status) in [("Create", "FAILED"), ("Update", "FAILED"), ("Delete", "SUCCESS")] {
        let cloudformation = CloudFormation::start(0).await;
        function(nowhere()).await.invoke_within(&cloudformation.event(request_type), TIMEOUT).await.unwrap();
        assert_eq!(cloudformation.answer()["Status"], status, "{request_type}");
    }
}

/// Wrong URLs that users paste, and the value of a secret without the key. The function starts, and says what is
/// wrong.
#[tokio::test]
async fn a_wrong_url_is_answered() {
    for url in ["psql 'postgresql://user:hunter2@host/db'", "", "https://example.com"] {
        for (request_type, status) in [("Create", "FAILED"), ("Update", "FAILED"), ("Delete", "SUCCESS")] {
            let cloudformation = CloudFormation::start(0).await;
            let function = function(url.to_owned()).await;
            function.invoke_within(&cloudformation.event(request_type), TIMEOUT).await.unwrap();
            let answer = cloudformation.answer();
            assert_eq!(answer["Status"], status, "{url} {answer}");
            assert!(!answer.to_string().contains("hunter2"), "{answer}");
            assert_eq!(answer["Reason"].as_str().unwrap().contains("DATABASE_URL"), status == "FAILED", "{answer}");
        }
        let error = function(url.to_owned()).await.invoke(&json!({ "action": "status" })).await.unwrap_err();
        assert_eq!(error["errorType"], "Configuration");
    }
}

/// CloudFormation rolls back when any resource of a deployment failed, and sends this function an event for that
/// too, even if the database was what failed.
#[tokio::test]
async fn a_rollback_needs_no_database() {
    let arn = |version: u64| json!({ "Code": format!("arn:aws:lambda:us-east-1:123456789012:function:m:{version}") });
    for url in [nowhere(), String::new()] {
        for (from, to, status) in [(10, 9, "SUCCESS"), (9, 10, "FAILED"), (9, 9, "FAILED")] {
            let cloudformation = CloudFormation::start(0).await;
            let mut event = cloudformation.event("Update");
            event["OldResourceProperties"] = arn(from);
            event["ResourceProperties"] = arn(to);
            function(url.clone()).await.invoke_within(&event, TIMEOUT).await.unwrap();
            let answer = cloudformation.answer();
            assert_eq!(answer["Status"], status, "{from} {to}");
            assert_eq!(answer["Data"]["Version"].is_string(), status == "SUCCESS", "an output reads it: {answer}");
        }
    }
}

#[tokio::test]
async fn delete_keeps_everything() {
    let database = Database::migrated().await;
    database.users(&[1]).await;
    database.task(1, "kept").await;
    let cloudformation = CloudFormation::start(0).await;
    function(database.url()).await.invoke_within(&cloudformation.event("Delete"), TIMEOUT).await.unwrap();
    assert_eq!(cloudformation.answer()["Status"], "SUCCESS");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM task").await, 1);
}

/// CloudFormation must not wait for an hour when the database does not answer.
#[tokio::test]
async fn the_answer_comes_within_the_invocations_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url =
        format!("postgres://u@127.0.0.1:{}/d?sslmode=disable&connect_timeout=60", silent.local_addr().unwrap().port());
    let cloudformation = CloudFormation::start(0).await;
    let (started, limit) = (Instant::now(), Duration::from_secs(23));
    function(url).await.invoke_within(&cloudformation.event("Create"), limit).await.unwrap();
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert_eq!(cloudformation.answer()["Status"], "FAILED");
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_sent_again() {
    let database = Database::migrated().await;
    let cloudformation = CloudFormation::start(2).await;
    function(database.url()).await.invoke_within(&cloudformation.event("Update"), TIMEOUT).await.unwrap();
    assert_eq!(cloudformation.answer()["Status"], "SUCCESS");
    let cloudformation = CloudFormation::start(3).await;
    let error =
        function(database.url()).await.invoke_within(&cloudformation.event("Update"), TIMEOUT).await.unwrap_err();
    assert_eq!(error["errorType"], "Answer");
    assert!(!error.to_string().contains("Signature"), "{error}");
}

/// After a deployment is rolled back, the old binary meets a schema that is newer than its files.
#[tokio::test]
async fn a_schema_that_is_ahead_is_left_alone() {
    let database = Database::migrated().await;
    let later = newest() + 1;
    let sql = format!("INSERT INTO refinery_schema_history VALUES ({later}, 'later', '2026-01-02T03:04:05Z', '1')");
    database.execute(&sql).await;
    let cloudformation = CloudFormation::start(0).await;
    function(database.url()).await.invoke_within(&cloudformation.event("Update"), TIMEOUT).await.unwrap();
    assert_eq!(cloudformation.answer()["Data"], json!({ "Version": later.to_string() }));
    assert_eq!(version(&database).await, later);
}

#[tokio::test]
async fn a_long_reason_is_cut() {
    let database = Database::empty().await;
    let name = "é".repeat(4000);
    // The message of this exception is part of the reason.
    database
        .execute(&format!(
            "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{name}'; END $$;
             CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()"
        ))
        .await;
    let cloudformation = CloudFormation::start(0).await;
    function(database.url()).await.invoke_within(&cloudformation.event("Create"), TIMEOUT).await.unwrap();
    assert_eq!(cloudformation.answer()["Status"], "FAILED");
}
