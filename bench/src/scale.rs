//! `cargo xtask bench --scale`: what a request costs when the table has grown.

use anyhow::{Context, Result, anyhow};
use std::time::{Duration, Instant};

use devtools::ui::{step, table};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    binaries::Binaries,
    data::Database,
    process::Process,
    rows::{self, BIG_USER, PER_USER, USER},
    stats::median,
    subject::{self, Subject},
    warm::micros,
};

/// The sizes of the table, of which a run takes those up to `--scale-max`.
const SIZES: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Calls of each request. A slow one, such as a search of a million rows, is stopped after this time with fewer calls.
const CALLS: usize = 400;
const LONGEST: Duration = Duration::from_secs(5);

/// Calls before anything is measured.
const WARM_UP: usize = 10;

/// Medians with a table of a size, in microseconds, by request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scale {
    /// How many tasks there are.
    pub(crate) total: u64,
    /// How many of them belong to the user of the requests.
    pub(crate) own: u64,
    pub(crate) requests: Vec<(String, f64)>,
}

/// Measures with each size up to `largest`, and then a user with very many tasks.
pub(crate) async fn run(database: &Database, binaries: &Binaries, largest: u64) -> Result<Vec<Scale>> {
    let mut results = Vec::new();
    for total in SIZES.into_iter().filter(|size| *size <= largest) {
        step(&format!("A table of {total} tasks"));
        rows::fill(&database.client, total).await?;
        let requests = measure(database, binaries, USER, PER_USER).await?;
        results.push(Scale { total, own: PER_USER, requests });
    }
    if let Some(total) = results.last().map(|scale: &Scale| scale.total) {
        let own = largest.min(1_000_000);
        step(&format!("A user with {own} tasks more"));
        rows::fill_big_user(&database.client, own).await?;
        let requests = measure(database, binaries, BIG_USER, own).await?;
        results.push(Scale { total: total + own, own, requests });
    }
    Ok(results)
}

async fn measure(database: &Database, binaries: &Binaries, user: i32, own: u64) -> Result<Vec<(String, f64)>> {
    let tasks = format!("/api/{user}/tasks");
    let deep = deep_page(database, binaries, user, own).await?;
    let middle = rows::middle_task(&database.client, user).await?;
    let one = format!("{tasks}/{middle}");
    let requests = [
        ("list, 10", ("GET", format!("{tasks}?limit=10"))),
        ("list, 1000", ("GET", tasks.clone())),
        ("deep page, 10", ("GET", deep)),
        ("completed, 10", ("GET", format!("{tasks}?completed=true&limit=10"))),
        ("frequent word, 10", ("GET", format!("{tasks}?q={}&limit=10", rows::FREQUENT))),
        ("rare word, 10", ("GET", format!("{tasks}?q={}&limit=10", rows::RARE))),
        ("get", ("GET", one.clone())),
        ("update", ("PUT", one)),
    ];
    let mut measured = Vec::new();
    for (name, (method, target)) in requests {
        let mut subject = subject::one(name, (method, &target), user, database, binaries)?;
        let mut process = Process::start(&subject.launch).await?;
        for _ in 0..WARM_UP {
            subject.call(&mut process).await?;
        }
        let (mut times, end) = (Vec::with_capacity(CALLS), Instant::now() + LONGEST);
        // All calls of one request and then those of the next: a slow request would empty the caches for the others.
        while times.len() < CALLS && (times.is_empty() || Instant::now() < end) {
            times.push(micros(subject.call(&mut process).await?.took));
        }
        measured.push((name.to_owned(), median(&times)));
        process.stop().await?;
    }
    Ok(measured)
}

/// The address of ten tasks near the end of a user's list, found as a client finds it: by the links.
async fn deep_page(database: &Database, binaries: &Binaries, user: i32, own: u64) -> Result<String> {
    let limit = (own / 10).min(1000);
    let mut target = format!("/api/{user}/tasks?limit={limit}");
    let launch = subject::one("deep page", ("GET", &target), user, database, binaries)?.launch;
    let mut process = Process::start(&launch).await?;
    for _ in 0..own / limit * 9 / 10 {
        let mut page: Subject = subject::one("deep page", ("GET", &target), user, database, binaries)?;
        let answer = page.call(&mut process).await?.body;
        target = next(&answer)?;
    }
    process.stop().await?;
    Ok(target.replacen(&format!("limit={limit}&"), "limit=10&", 1))
}

/// The target of an answer's `Link`.
fn next(answer: &[u8]) -> Result<String> {
    let answer: Value = serde_json::from_slice(answer).context("a page")?;
    let link = answer.pointer("/headers/link").and_then(Value::as_str).unwrap_or_default();
    let target = link.strip_prefix('<').and_then(|link| link.split_once('>'));
    target.map(|(target, _)| target.to_owned()).ok_or_else(|| anyhow!("a page of a long list has no next one"))
}

/// The figures for people: microseconds, and how often those of the smallest table.
pub(crate) fn show(results: &[Scale]) -> String {
    let Some(first) = results.first() else { return String::new() };
    let names: Vec<String> = ["request".to_owned()]
        .into_iter()
        .chain(results.iter().map(|scale| format!("{} of {}", count(scale.own), count(scale.total))))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows: Vec<_> = first
        .requests
        .iter()
        .map(|(request, base)| {
            let cells = results.iter().filter_map(|scale| {
                let (_, micros) = scale.requests.iter().find(|(name, _)| name == request)?;
                Some(format!("{micros:.0} µs ({:.2})", micros / base))
            });
            [request.clone()].into_iter().chain(cells).collect()
        })
        .collect();
    table(&names, &rows)
}

/// A large round number in short: `1k`, `10M`.
fn count(number: u64) -> String {
    match number {
        1_000_000.. => format!("{}M", number / 1_000_000),
        1_000.. => format!("{}k", number / 1_000),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compares_with_the_smallest() {
        let scale = |total, micros| Scale { total, own: 1000, requests: vec![("get".into(), micros)] };
        let shown = show(&[scale(1000, 100.0), scale(11_000_000, 150.0)]);
        assert!(shown.contains("1k of 1k") && shown.contains("1k of 11M"), "{shown}");
        assert!(shown.contains("100 µs (1.00) | 150 µs (1.50)"), "{shown}");
    }

    #[test]
    fn the_next_page_is_in_the_link() {
        let answer = br#"{"headers":{"link":"</api/1/tasks?limit=5&cursor=x>; rel=\"next\""}}"#;
        assert_eq!(next(answer).unwrap(), "/api/1/tasks?limit=5&cursor=x");
        assert!(next(br#"{"headers":{}}"#).is_err());
    }
}
