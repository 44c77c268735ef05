//! `cargo xtask bench --search`: what a search takes for a user with as many tasks as one may have, and the longest
//! texts.
//!
//! A search that finds nothing reads all of them. The longest are those for many letters of which the texts consist,
//! and then another. A list in an order other than the id sorts all of them.

use anyhow::{Context, Result};
use devtools::ui::{step, table};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use shared::tasks::{Description, Search as Searched};

use crate::{
    binaries::Binaries,
    data::Database,
    process::Process,
    stats::{median, percentile},
    subject,
    warm::micros,
};

const USER: i32 = 1;

/// How many tasks a user may have by default, and how long a title that was adopted may be.
const TASKS: usize = 10_000;
const TITLE: usize = 255;

const CALLS: usize = 50;

/// What the texts are made of, by the bytes of a letter in UTF-8, and what is searched in them.
const TEXTS: [(&str, &str, &str); 7] = [
    ("English", "the quick brown fox jumps over the lazy dog, and buys milk for breakfast. ", "breakfast in bed"),
    ("Russian", "съешь же ещё этих мягких французских булок, да выпей чаю. ", "булок нет"),
    ("Chinese", "我能吞下玻璃而不伤身体，明天早上去超市买牛奶面包和鸡蛋。", "面包和水"),
    ("one letter of 1 byte", "a", ""),
    ("one letter of 2 bytes", "д", ""),
    ("one letter of 3 bytes", "字", ""),
    ("one letter of 4 bytes", "😀", ""),
];

/// What a search takes, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Search {
    pub(crate) texts: String,
    /// The size of all texts.
    pub(crate) bytes: usize,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    /// The median with the first page of ten, for comparison.
    pub(crate) page_p50_us: f64,
    /// The median with the last page of a hundred by title, for which all tasks are sorted.
    pub(crate) sorted_p50_us: f64,
}

/// Measures.
pub(crate) async fn run(database: &Database, binaries: &Binaries) -> Result<Vec<Search>> {
    let mut searches = Vec::new();
    for (name, text, wanted) in TEXTS {
        step(&format!("Searching texts: {name}"));
        let (title, description) = (repeated(text, TITLE), repeated(text, Description::BOUNDS.1));
        fill(database, &title, &description).await?;
        // For one letter, as many of it as a search may have, and another at the end.
        let needle = if wanted.is_empty() { repeated(text, Searched::BOUNDS.1 - 1) + "b" } else { wanted.to_owned() };
        let calls =
            search(database, binaries, &format!("q={}", utf8_percent_encode(&needle, NON_ALPHANUMERIC))).await?;
        let page = search(database, binaries, "limit=10").await?;
        let sorted = search(database, binaries, &format!("sort=title&limit=100&offset={}", TASKS - 100)).await?;
        searches.push(Search {
            texts: name.into(),
            bytes: TASKS * (title.len() + description.len() + 1),
            p50_us: median(&calls),
            p90_us: percentile(&calls, 0.9),
            page_p50_us: median(&page),
            sorted_p50_us: median(&sorted),
        });
    }
    Ok(searches)
}

/// So many letters of a text that is repeated.
fn repeated(text: &str, letters: usize) -> String {
    text.chars().cycle().take(letters).collect()
}

async fn fill(database: &Database, title: &str, description: &str) -> Result<()> {
    let client = &database.client;
    client.batch_execute(r#"TRUNCATE "user", task_api.task RESTART IDENTITY CASCADE"#).await.context("TRUNCATE")?;
    let user = r#"INSERT INTO "user" (id, name, email, "emailVerified") VALUES ($1, 'A', 'a@example.com', TRUE)"#;
    client.execute(user, &[&USER]).await.context("the user")?;
    let tasks = "INSERT INTO task_api.task (user_id, title, description)
        SELECT $1, left($2, -5) || lpad((number * 7919 % 100000)::text, 5, '0'), $3
        FROM generate_series(1, $4::bigint) AS number";
    client
        .execute(tasks, &[&USER, &title, &description, &i64::try_from(TASKS).context("a number of tasks")?])
        .await
        .context("the tasks")?;
    client.batch_execute("VACUUM ANALYZE").await.context("VACUUM ANALYZE")
}

/// The times of calls of the list with a query.
async fn search(database: &Database, binaries: &Binaries, query: &str) -> Result<Vec<f64>> {
    let target = format!("/api/{USER}/tasks?{query}");
    let mut subject = subject::one("search", ("GET", &target), USER, database, binaries)?;
    let mut process = Process::start(&subject.launch).await?;
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        times.push(micros(subject.call(&mut process).await?.took));
    }
    process.stop().await?;
    Ok(times)
}

/// The figures for people.
pub(crate) fn show(searches: &[Search]) -> String {
    let rows: Vec<_> = searches
        .iter()
        .map(|search| {
            #[allow(clippy::cast_precision_loss)]
            let megabytes = search.bytes as f64 / 1024.0 / 1024.0;
            vec![
                search.texts.clone(),
                format!("{megabytes:.0}"),
                format!("{:.0}", search.p50_us / 1000.0),
                format!("{:.0}", search.p90_us / 1000.0),
                format!("{:.1}", search.page_p50_us / 1000.0),
                format!("{:.0}", search.sorted_p50_us / 1000.0),
            ]
        })
        .collect();
    table(&["texts", "MB", "search p50/ms", "p90", "a page of ten/ms", "the last hundred by title/ms"], &rows)
}
