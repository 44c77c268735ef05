//! `cargo xtask bench --users`: the operations on tasks for users with ids of each kind.

use anyhow::Result;
use devtools::ui::{step, table};
use serde::{Deserialize, Serialize};
use shared::auth::UserIds;

use crate::{Plan, binaries::Binaries, data::Database, stats::median, subject, warm};

/// What an operation takes for users with ids of a kind, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) user_ids: String,
    pub(crate) warm_p50_us: f64,
    pub(crate) cpu_us: f64,
    pub(crate) server_cpu_us: f64,
}

/// Measures all of them in turn, in databases of one server.
pub(crate) async fn run(integers: Database, binaries: &Binaries, plan: &Plan) -> Result<Vec<Operation>> {
    let mut databases = Vec::new();
    for ids in [UserIds::Text, UserIds::Uuid] {
        databases.push(integers.beside(ids, binaries).await?);
    }
    databases.insert(0, integers);
    for database in &databases {
        database.fill(warm::calls(plan) as u64 + 100).await?;
    }
    step("Measuring warm calls for users with ids of each kind");
    let mut subjects = subject::of_users(&databases, binaries)?;
    let Some(database) = databases.first() else { return Ok(Vec::new()) };
    let warm = warm::measure(&mut subjects, database, plan).await?;
    let kinds = databases.iter().map(|database| database.ids().name()).cycle();
    Ok(subjects
        .iter()
        .zip(&warm)
        .zip(kinds)
        .map(|((subject, warm), kind)| Operation {
            name: subject.name.into(),
            user_ids: kind.into(),
            warm_p50_us: median(&warm.calls),
            cpu_us: median(&warm.cpu),
            server_cpu_us: median(&warm.server_cpu),
        })
        .collect())
}

/// The figures for people, each kind beside integers.
pub(crate) fn show(operations: &[Operation]) -> String {
    let integers = operations.chunks(3).filter_map(|kinds| kinds.first()).flat_map(|first| [first; 3]);
    let rows: Vec<_> = operations
        .iter()
        .zip(integers)
        .map(|(one, integer)| {
            let beside = |time: f64, integer: f64| format!("{time:.0} ({:.2})", time / integer);
            vec![
                one.name.clone(),
                one.user_ids.clone(),
                beside(one.warm_p50_us, integer.warm_p50_us),
                beside(one.cpu_us, integer.cpu_us),
                beside(one.server_cpu_us, integer.server_cpu_us),
            ]
        })
        .collect();
    table(&["operation", "ids", "warm p50/µs (to integer)", "CPU/µs", "Postgres' CPU/µs"], &rows)
}
