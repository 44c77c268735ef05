//! The golden vectors in `data/contract.json`, recorded from the FastAPI backend that this API
//! replaces. What binds is said in each: `exact` in everything, `status` in the status and the
//! kinds of errors, `free` in being an answer below 500 that stores nothing when it refuses.

mod compare;
mod data;
mod rows;

use tests::Api;

use data::{Case, Contract};

/// The vectors are shared out among so many databases.
const SHARDS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_hold_behind_api_gateway() {
    check(|api| api).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_hold_behind_cargo_lambda_watch() {
    check(Api::emulated).await;
}

async fn check(style: fn(Api) -> Api) {
    let contract: &'static Contract = Box::leak(Box::new(Contract::read()));
    assert_eq!(contract.cases.len(), 462);
    let shards = (0..SHARDS).map(|shard| {
        tokio::spawn(async move {
            let api = style(Api::new().await);
            let mut failures = Vec::new();
            let mut dirty = true;
            for case in contract.cases.iter().skip(shard).step_by(SHARDS) {
                if dirty {
                    rows::reset(&api.database, &contract.fixture).await;
                }
                let (problems, changed) = run(&api, contract, case).await;
                dirty = changed;
                failures.extend(problems.into_iter().map(|problem| format!("{}: {problem}", case.name)));
            }
            failures
        })
    });
    let mut failures = Vec::new();
    for shard in shards.collect::<Vec<_>>() {
        failures.extend(shard.await.expect("a shard"));
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Runs one case; answers what does not hold, and whether rows changed.
async fn run(api: &Api, contract: &Contract, case: &Case) -> (Vec<String>, bool) {
    let response = api.send(contract.request(case)).await;
    let changes = rows::changes(&api.database, &contract.fixture).await;
    (compare::check(case, &response, &changes), changes.as_object().is_some_and(|changes| !changes.is_empty()))
}
