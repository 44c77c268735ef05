//! `cargo xtask bench --load`: how many calls a core of Postgres does, through PgBouncer, when calls come at a fixed
//! rate and do not wait for each other.
//!
//! The calls are those of functions, and the plain statements of the baselines. This program sends them itself:
//! functions would take most of the CPU that Postgres is to have.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use devtools::{
    tools::system::Package,
    ui::{bar, step, table},
};
use serde::{Deserialize, Serialize};
use shared::db::RELEASE_SCHEMA;
use tests::pgbouncer::Pooler;
use tokio::task::JoinSet;
use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};

use crate::{
    data::{self, Database},
    machine::Machine,
    process::cpu_of,
    stats::percentile,
    svg::{self, Bar},
    warm::micros,
};

/// Connections of clients to PgBouncer, and of PgBouncer to Postgres.
const CLIENTS: usize = 64;
const CONNECTIONS: usize = 8;

/// Calls a second. The figures are of the highest rate that the machine kept up with.
const RATES: [u32; 5] = [500, 1000, 2000, 4000, 8000];

/// How long calls are sent at a rate, and how often each rate is tried.
const DURATION: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;

/// A request, with the function of this release and as a plain statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) request: String,
    pub(crate) function: Rate,
    pub(crate) plain: Rate,
}

/// The figures at the highest rate that the machine kept up with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU time of all of Postgres' processes for a call, in microseconds.
    pub(crate) server_cpu_us: f64,
}

/// One kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Get,
    List,
    Update,
    Create,
}

impl Call {
    const ALL: [Self; 4] = [Self::Get, Self::List, Self::Update, Self::Create];

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "get-task",
            Self::List => "list-tasks, 10",
            Self::Update => "update-task",
            Self::Create => "create-task",
        }
    }

    /// Sends the call of one of a thousand users, as those of an API are: calls of one user wait for each other.
    async fn send(self, client: &Client, plain: bool, number: u32) -> Result<()> {
        let (user, id) = data::other(number);
        let columns = "id, title, description, completed, user_id, created_at, updated_at";
        let deadline: DateTime<Utc> = Utc::now() + TimeDelta::seconds(10);
        let (versions, none): (Option<Vec<DateTime<Utc>>>, Option<String>) = (None, None);
        let (title, no, yes) = ("Another title", false, None::<bool>);
        let (sql, parameters): (String, Vec<(&(dyn ToSql + Sync), Type)>) = match (self, plain) {
            (Self::Get, true) => (format!("SELECT {columns} FROM plain_task WHERE id = $1"), vec![(&id, Type::INT8)]),
            (Self::Get, false) => {
                (format!("SELECT {RELEASE_SCHEMA}.get_task($1, $2)"), vec![(&user, Type::INT4), (&id, Type::INT8)])
            }
            (Self::List, true) => (
                format!("SELECT {columns} FROM plain_task WHERE user_id = $1 ORDER BY id LIMIT 1001"),
                vec![(&user, Type::INT4)],
            ),
            (Self::List, false) => (
                format!("SELECT * FROM {RELEASE_SCHEMA}.list_tasks($1, $2, $3)"),
                vec![(&user, Type::INT4), (&i64::MIN, Type::INT8), (&1001_i32, Type::INT4)],
            ),
            (Self::Update, true) => (
                format!("UPDATE plain_task SET title = $2, updated_at = now() WHERE id = $1 RETURNING {columns}"),
                vec![(&id, Type::INT8), (&title, Type::TEXT)],
            ),
            (Self::Update, false) => (
                format!("SELECT {RELEASE_SCHEMA}.update_task($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
                vec![
                    (&user, Type::INT4),
                    (&deadline, Type::TIMESTAMPTZ),
                    (&"10000", Type::TEXT),
                    (&id, Type::INT8),
                    (&versions, Type::TIMESTAMPTZ_ARRAY),
                    (&title, Type::TEXT),
                    (&no, Type::BOOL),
                    (&none, Type::TEXT),
                    (&yes, Type::BOOL),
                ],
            ),
            (Self::Create, true) => (
                format!("INSERT INTO plain_task (user_id, title) VALUES ($1, $2) RETURNING {columns}"),
                vec![(&user, Type::INT4), (&title, Type::TEXT)],
            ),
            (Self::Create, false) => (
                format!("SELECT {RELEASE_SCHEMA}.create_task($1, $2, $3, $4, $5, $6)"),
                vec![
                    (&user, Type::INT4),
                    (&deadline, Type::TIMESTAMPTZ),
                    (&"10000", Type::TEXT),
                    (&title, Type::TEXT),
                    (&none, Type::TEXT),
                    (&i32::MAX, Type::INT4),
                ],
            ),
        };
        let rows = client.query_typed(&sql, &parameters).await.context(sql)?;
        anyhow::ensure!(!rows.is_empty(), "{} found nothing", self.name());
        Ok(())
    }
}

/// Measures, function and plain statement in turn.
pub(crate) async fn run(database: &Database, quick: bool) -> Result<Vec<Load>> {
    database.fill(0).await?;
    let program = Package::PgBouncer.find().context("PgBouncer is missing: apt install pgbouncer")?;
    let command = database.run_as(&program);
    let pooler = Pooler::with_command(command, database.port()?, &[data::ROLE], CONNECTIONS).await;
    let config = pooler.url_at(pooler.port(), data::ROLE, "postgres").parse().context("the URL")?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Arc::new(pooler.connect(&config).await));
    }
    step("Calls at rates of their own, through PgBouncer");
    let rates = if quick { &RATES[..2] } else { &RATES[..] };
    let bar = bar("Rates", Call::ALL.len() * rates.len() * 2);
    let mut results = Vec::new();
    for call in Call::ALL {
        let (mut function, mut plain) = (None, None);
        for rate in rates {
            for (is_plain, best) in [(true, &mut plain), (false, &mut function)] {
                bar.inc(1);
                let mut tries = Vec::new();
                for _ in 0..if quick { 1 } else { ROUNDS } {
                    tries.push(measure(database, &clients, call, is_plain, *rate).await?);
                }
                tries.sort_by(|one, other| one.server_cpu_us.total_cmp(&other.server_cpu_us));
                let middle = tries.swap_remove(tries.len() / 2);
                // Beyond that, the figures are about the client and not about Postgres.
                if best.is_none() || middle.per_second > f64::from(*rate) * 0.95 {
                    *best = Some(middle);
                }
            }
        }
        if let Some((function, plain)) = function.zip(plain) {
            results.push(Load { request: call.name().into(), function, plain });
        }
    }
    bar.finish_and_clear();
    Ok(results)
}

/// Sends calls at a rate, whether or not the ones before have been answered.
async fn measure(database: &Database, clients: &[Arc<Client>], call: Call, plain: bool, rate: u32) -> Result<Rate> {
    let before = server_cpu(database).await?;
    let (started, mut sent, mut work) = (Instant::now(), 0_u32, JoinSet::new());
    let mut times = Vec::new();
    while started.elapsed() < DURATION {
        let due = started.elapsed().as_micros() * u128::from(rate) / 1_000_000;
        while u128::from(sent) < due {
            let Some(client) = clients.get(sent as usize % clients.len()).cloned() else { break };
            let asked = Instant::now();
            let number = sent;
            work.spawn(async move { call.send(&client, plain, number).await.map(|()| asked.elapsed()) });
            sent += 1;
        }
        while let Some(done) = work.try_join_next() {
            times.push(micros(done??) / 1000.0);
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    while let Some(done) = work.join_next().await {
        times.push(micros(done??) / 1000.0);
    }
    let elapsed = started.elapsed();
    let cpu = server_cpu(database).await?.saturating_sub(before);
    Ok(Rate {
        per_second: f64::from(sent) / elapsed.as_secs_f64(),
        p50_ms: percentile(&times, 0.5),
        p99_ms: percentile(&times, 0.99),
        server_cpu_us: micros(cpu) / f64::from(sent.max(1)),
    })
}

/// The CPU time that the server's processes for PgBouncer have used so far.
async fn server_cpu(database: &Database) -> Result<Duration> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND backend_type = 'client backend'";
    let rows = database.client.query(sql, &[&data::ROLE]).await.context("the server's processes")?;
    let mut sum = Duration::ZERO;
    for row in rows {
        sum += cpu_of(row.get::<_, i32>(0).try_into().unwrap_or_default())?;
    }
    Ok(sum)
}

/// The figures for people.
pub(crate) fn show(loads: &[Load]) -> String {
    let names =
        ["request", "calls/s", "p50/ms", "p99/ms", "Postgres/µs", "plain/µs", "ratio", "per core", "plain, per core"];
    let rows: Vec<_> = loads
        .iter()
        .map(|Load { request, function, plain }| {
            vec![
                request.clone(),
                format!("{:.0}", function.per_second),
                format!("{:.2}", function.p50_ms),
                format!("{:.2}", function.p99_ms),
                format!("{:.0}", function.server_cpu_us),
                format!("{:.0}", plain.server_cpu_us),
                format!("{:.2}", function.server_cpu_us / plain.server_cpu_us),
                format!("{:.0}", 1e6 / function.server_cpu_us),
                format!("{:.0}", 1e6 / plain.server_cpu_us),
            ]
        })
        .collect();
    table(&names, &rows)
}

/// Postgres' CPU time for a call as a chart.
pub(crate) fn chart(loads: &[Load], machine: &Machine) -> String {
    let bars: Vec<_> = loads
        .iter()
        .map(|Load { request, function, plain }| Bar {
            name: request.clone(),
            value: function.server_cpu_us,
            baseline: plain.server_cpu_us,
            ratio: function.server_cpu_us / plain.server_cpu_us,
        })
        .collect();
    let Machine { cpu, date, commit, .. } = machine;
    svg::chart("CPU time of Postgres for a call, through PgBouncer", &format!("{cpu}; {date}, commit {commit}"), &bars)
}
