//! Migrating at deploy, as a
//! [custom resource](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html) of
//! CloudFormation. So the functions of a new version take traffic only after their schema is there.
//!
//! CloudFormation waits up to an hour for an answer at a pre-signed URL. So this always answers, even after an
//! error, and within the time of the invocation.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::web;
use tokio::time::Instant;

use crate::{connection::Database, failure::Failure, report::Report, request::Request, run};

/// The time that is reserved for the answer. It is enough for [`ATTEMPTS`] attempts of [`PUT_TIMEOUT`] each.
const TIME_TO_ANSWER: Duration = Duration::from_secs(20);
const ATTEMPTS: usize = 3;
const PUT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum length of the reason, in bytes. An answer may have 4 KB.
const MAX_REASON: usize = 2048;

/// The id of the resource. It must never change: with another id, CloudFormation would delete "the old resource".
const PHYSICAL_ID: &str = "schema";

/// The event of a custom resource.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Event {
    request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    resource_properties: Option<Properties>,
    /// The properties before an update.
    old_resource_properties: Option<Properties>,
}

/// The properties of the resource that this function reads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    /// The ARN of the version of this function that belongs to the deployment.
    code: Option<String>,
}

impl Properties {
    /// The number of the version. Lambda counts versions up and does not use a number twice.
    fn version(&self) -> Option<u64> {
        self.code.as_deref()?.rsplit(':').next()?.parse().ok()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum RequestType {
    Create,
    Update,
    Delete,
}

/// The answer to CloudFormation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'static str,
    reason: String,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    data: Value,
}

impl Event {
    /// Reads the event of a custom resource. `None` for any other event.
    pub(crate) fn parse(event: &Value) -> Option<Self> {
        event.get("ResponseURL")?;
        Event::deserialize(event).ok()
    }

    /// Whether this rolls back a failed deployment: then the version of the code goes down. Going back on purpose is
    /// a new deployment with a new, higher version.
    fn is_rollback(&self) -> bool {
        let version = |properties: &Option<Properties>| properties.as_ref().and_then(Properties::version);
        version(&self.resource_properties)
            .zip(version(&self.old_resource_properties))
            .is_some_and(|(to, from)| to < from)
    }
}

/// Does what CloudFormation asks for, and sends it the result.
pub(crate) async fn answer(
    database: Result<&Database, Failure>,
    event: &Event,
    time: Duration,
) -> Result<Value, Failure> {
    let end = Instant::now() + time;
    let result = match (event.request_type, database) {
        // Deleting the stack leaves the tables, because they hold people's data. It needs no database.
        (RequestType::Delete, _) => Ok(None),
        // The earlier release works with the schema as it is, and its own deployment created its functions. If a
        // rollback failed, only an operator could repair the stack.
        _ if event.is_rollback() => Ok(None),
        (RequestType::Create | RequestType::Update, Ok(database)) => {
            run::run(database, &Request::Deploy, time.saturating_sub(TIME_TO_ANSWER)).await.map(Some)
        }
        (RequestType::Create | RequestType::Update, Err(failure)) => Err(failure),
    };
    let answer = Answer::new(event, result.as_ref().map(Option::as_ref));
    shared::telemetry::info("cloudformation", &json!({ "status": answer.status, "reason": answer.reason }));
    let body = serde_json::to_string(&answer).map_err(|error| Failure::Answer(error.to_string()))?;
    let url = event.response_url.clone();
    let put = tokio::task::spawn_blocking(move || put(&url, &body));
    let left = end.saturating_duration_since(Instant::now());
    match tokio::time::timeout(left, put).await {
        Ok(Ok(Ok(()))) => Ok(json!({ "status": answer.status })),
        Ok(Ok(Err(error))) => Err(Failure::Answer(error)),
        Ok(Err(_)) | Err(_) => Err(Failure::Answer("CloudFormation did not take the answer in time".into())),
    }
}

impl<'a> Answer<'a> {
    fn new(event: &'a Event, result: Result<Option<&Report>, &Failure>) -> Self {
        let (status, mut reason, data) = match result {
            Ok(Some(report)) => (
                "SUCCESS",
                format!("the schema is at version {}", report.version),
                json!({ "Version": report.version.to_string() }),
            ),
            // An output of the stack reads the version, so every answer needs one.
            Ok(None) => ("SUCCESS", "the schema is left as it is".into(), json!({ "Version": "unchanged" })),
            Err(failure) => ("FAILED", failure.to_string(), json!({})),
        };
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        Self {
            status,
            reason,
            physical_resource_id: event.physical_resource_id.as_deref().unwrap_or(PHYSICAL_ID),
            stack_id: &event.stack_id,
            request_id: &event.request_id,
            logical_resource_id: &event.logical_resource_id,
            data,
        }
    }
}

/// Sends the answer to CloudFormation's URL, which is signed for an empty content type.
fn put(url: &str, body: &str) -> Result<(), String> {
    let agent = web::agent(PUT_TIMEOUT);
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match agent.put(url).header("content-type", "").send(body) {
            Ok(_) => return Ok(()),
            // The error does not show the URL. The URL is a secret as long as it is valid.
            Err(error) => last = error.to_string(),
        }
    }
    Err(format!("CloudFormation did not take the answer: {last}"))
}
