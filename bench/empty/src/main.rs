//! The baseline without a database: Lambda's runtime and a constant answer. No function can be faster.

use std::{collections::BTreeMap, convert::Infallible};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Serialize, de::IgnoredAny};

/// The answer to API Gateway.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    headers: BTreeMap<&'static str, &'static str>,
    body: &'static str,
}

async fn answer(_: LambdaEvent<IgnoredAny>) -> Result<Answer, Infallible> {
    let headers = BTreeMap::from([("content-type", "application/json")]);
    Ok(Answer { status_code: 200, headers, body: "[]" })
}

fn main() -> Result<(), Error> {
    // One thread, as the functions have.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(lambda_runtime::run(service_fn(answer)))
}
