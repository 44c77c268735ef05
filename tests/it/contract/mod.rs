//! The golden vectors in `data/contract.json`, recorded from the FastAPI backend that this API replaces. Each vector
//! says what must match: for `exact` the whole answer, for `status` the status and the kinds of errors. For `free`,
//! the status must be below 500, and a refusal must store nothing. `openapi.json` must also describe every answer of
//! a route.

mod compare;
mod data;
mod described;
mod rows;
mod translate;

use shared::auth::UserIds;
use tests::{
    Api,
    identity::{Identity, Users},
};

use data::{Binding, Case, Contract};
use described::Description;

/// The number of databases that share the vectors.
const SHARDS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_hold_behind_api_gateway() {
    check(Identity::DEFAULT, |api| api).await;
}

/// The same vectors with the fixture's user ids translated to texts. A path that was not an integer is another
/// user's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_hold_with_ids_that_are_texts() {
    check(Identity { ids: UserIds::Text, users: Users::BetterAuth }, |api| api).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_hold_with_ids_that_are_uuids_behind_cargo_lambda_watch() {
    check(Identity { ids: UserIds::Uuid, users: Users::BetterAuth }, Api::emulated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_hold_behind_cargo_lambda_watch() {
    check(Identity::DEFAULT, Api::emulated).await;
}

async fn check(identity: Identity, style: fn(Api) -> Api) {
    let mut contract = Contract::read();
    translate::contract(&mut contract, identity);
    let contract: &'static Contract = Box::leak(Box::new(contract));
    let description: &'static Description = Box::leak(Box::new(Description::read(&Api::of(identity).await).await));
    assert_eq!(contract.cases.len(), 462);
    let shards = (0..SHARDS).map(|shard| {
        tokio::spawn(async move {
            let api = style(Api::of(identity).await);
            let mut failures = Vec::new();
            let mut dirty = true;
            for case in contract.cases.iter().skip(shard).step_by(SHARDS) {
                if dirty {
                    rows::reset(&api.database, &contract.fixture).await;
                }
                let (problems, changed) = run(&api, contract, description, case).await;
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

/// Runs one case. Returns the differences, and whether rows changed.
async fn run(api: &Api, contract: &Contract, description: &Description, case: &Case) -> (Vec<String>, bool) {
    let request = contract.request(case);
    let response = api.send(request.clone()).await;
    let changes = rows::changes(&api.database, &contract.fixture).await;
    let mut problems = compare::check(case, &response, &changes);
    if case.binding != Binding::Free {
        problems.extend(description.problem(&request, &response));
    }
    (problems, changes.as_object().is_some_and(|changes| !changes.is_empty()))
}
