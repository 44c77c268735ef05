//! A client: sends what its plan says and writes down what it is told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tests::{Request, Response, fleet::Fleet, identity::Identity};
use tokio::sync::RwLock;

use crate::{
    plan::Step,
    record::{Action, Op, Outcome, Seen, Version},
    table::Tally,
};

/// The most tasks of a client: with this many, it deletes one instead of creating another.
const MAX_TASKS: usize = 40;

/// A task as its client knows it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    task: i64,
    version: Version,
    etag: String,
    /// The version before, with its `ETag`.
    old: Option<(Version, String)>,
}

/// One client.
pub(crate) struct Client {
    pub(crate) number: usize,
    /// The kind of users, and the number of this client's user.
    pub(crate) user: (Identity, i32),
    pub(crate) fleet: Arc<Fleet>,
    /// Closed while environments are frozen: then Lambda sends them no requests.
    pub(crate) gate: Arc<RwLock<()>>,
    pub(crate) tally: Tally,
    pub(crate) ops: Vec<Op>,
    pub(crate) wrong: Vec<String>,
    pub(crate) tasks: Vec<Known>,
    written: usize,
    /// When the last answer said that the database is not available, if it did.
    unavailable_at: Option<DateTime<Utc>>,
    /// The last acknowledged create: title, key, answer.
    pub(crate) created: Option<(String, String, Response)>,
}

impl Client {
    pub(crate) fn new(number: usize, user: (Identity, i32), fleet: Arc<Fleet>, gate: Arc<RwLock<()>>) -> Self {
        Self {
            number,
            user,
            fleet,
            gate,
            tally: Tally::default(),
            ops: Vec::new(),
            wrong: Vec::new(),
            tasks: Vec::new(),
            written: 0,
            unavailable_at: None,
            created: None,
        }
    }

    /// Does one step of a plan.
    pub(crate) async fn step(&mut self, step: Step, choice: usize) {
        let step = match step {
            Step::Create | Step::CreatePlain if self.tasks.len() >= MAX_TASKS => Step::Delete,
            Step::CreatePlain | Step::CreateTwice | Step::List | Step::UpdateNothing | Step::Count => step,
            _ if self.tasks.is_empty() => Step::Create,
            _ => step,
        };
        let at = choice % self.tasks.len().max(1);
        match step {
            Step::Create => self.create(1).await,
            Step::CreateTwice => self.create(2).await,
            Step::CreateAgain => self.create_again().await,
            Step::CreateOther => self.create_other().await,
            Step::CreatePlain => self.create_plain().await,
            Step::Update => self.update(at, None, None).await,
            Step::UpdateGuarded => {
                let guard = (self.tasks[at].version, self.tasks[at].etag.clone());
                self.update(at, Some(guard), None).await;
            }
            Step::UpdateStale => {
                let guard = self.tasks[at].old.clone();
                self.update(at, guard, None).await;
            }
            Step::UpdateNothing => self.update_nothing().await,
            Step::Toggle => self.complete(at, None).await,
            Step::Set => self.complete(at, Some(choice.is_multiple_of(2))).await,
            Step::Delete => self.delete(at).await,
            Step::Get => drop(self.get(at, false).await),
            Step::GetIfNew => drop(self.get(at, true).await),
            Step::List => self.list().await,
            Step::Count => self.count(choice % 2).await,
        }
    }

    async fn update(&mut self, at: usize, guard: Option<(Version, String)>, number: Option<u64>) {
        let (task, title) = (self.tasks[at].task, self.title());
        let mut request = self.request("PUT", &format!("/{task}"));
        request = match number {
            Some(number) => request.json(json!({ "title": title, "description": number.to_string() })),
            None => request.json(json!({ "title": title })),
        };
        let (guard, etag) = guard.unzip();
        if let Some(etag) = &etag {
            request = request.header("If-Match", etag);
        }
        let response = self.send(request).await;
        let refusals: &[u64] = if guard.is_some() { &[404, 412] } else { &[404] };
        let outcome = self.judge(response, Some(at), refusals);
        let stale = outcome == Outcome::Refused(412);
        self.write_down(Action::Update { task, title, guard, number }, outcome);
        if stale && self.tasks.get(at).is_some_and(|known| known.task == task) {
            self.get(at, false).await;
        }
    }

    async fn update_nothing(&mut self) {
        let title = self.title();
        let request = self.request("PUT", "/9000000000000").json(json!({ "title": title }));
        let response = self.send(request).await;
        let outcome = self.judge(response, None, &[404]);
        self.write_down(Action::Update { task: 9_000_000_000_000, title, guard: None, number: None }, outcome);
    }

    async fn complete(&mut self, at: usize, completed: Option<bool>) {
        let task = self.tasks[at].task;
        let mut request = self.request("PATCH", &format!("/{task}/complete"));
        if let Some(completed) = completed {
            request = request.json(json!({ "completed": completed }));
        }
        let response = self.send(request).await;
        let outcome = self.judge(response, Some(at), &[404]);
        let action = match completed {
            Some(completed) => Action::Set { task, completed },
            None => Action::Toggle { task },
        };
        self.write_down(action, outcome);
    }

    async fn delete(&mut self, at: usize) {
        let task = self.tasks.swap_remove(at).task;
        let response = self.send(self.request("DELETE", &format!("/{task}"))).await;
        let outcome = match response {
            Some(response) if response.status == 200 => Outcome::Deleted,
            other => self.judge(other, None, &[404]),
        };
        self.write_down(Action::Delete { task }, outcome);
    }

    /// Reads a task, and answers the number in its description, if it has one.
    async fn get(&mut self, at: usize, if_new: bool) -> Option<u64> {
        let Known { task, version, etag, .. } = self.tasks[at].clone();
        let mut request = self.request("GET", &format!("/{task}"));
        if if_new {
            request = request.header("If-None-Match", &etag);
        }
        let response = self.send(request).await;
        if let Some(response) = &response
            && (if_new, response.status) == (true, 304)
        {
            self.write_down(Action::Get { task }, Outcome::Done(Seen { task, version }));
            return None;
        }
        let number = response
            .as_ref()
            .filter(|response| response.status == 200)
            .and_then(|response| response.json()["description"].as_str()?.parse().ok());
        let outcome = self.judge(response, Some(at), &[404]);
        self.write_down(Action::Get { task }, outcome);
        number
    }

    async fn list(&mut self) {
        let response = self.send(self.request("GET", "")).await;
        let outcome = match &response {
            Some(response) if response.status == 200 => {
                let tasks = response.json();
                Outcome::Listed(tasks.as_array().into_iter().flatten().filter_map(seen).collect())
            }
            _ => self.judge(response, None, &[]),
        };
        self.write_down(Action::List, outcome);
    }

    async fn count(&mut self, at: usize) {
        if at >= self.tasks.len() {
            return self.create(1).await;
        }
        let task = self.tasks[at].task;
        let Some(number) = self.get(at, false).await else {
            // A counter begins as a task without a description.
            return self.first_count(at).await;
        };
        if self.tasks.get(at).is_some_and(|known| known.task == task) {
            let guard = (self.tasks[at].version, self.tasks[at].etag.clone());
            self.update(at, Some(guard), Some(number + 1)).await;
        }
    }

    async fn first_count(&mut self, at: usize) {
        let guard = (self.tasks[at].version, self.tasks[at].etag.clone());
        if self.ops.last().is_some_and(|op| matches!(op.outcome, Outcome::Done(_))) {
            self.update(at, Some(guard), Some(1)).await;
        }
    }

    pub(crate) fn title(&mut self) -> String {
        self.written += 1;
        format!("user-{}-client-{}-write-{}", self.user.1, self.number, self.written)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        let (identity, user) = self.user;
        identity.request(method, user, path)
    }

    pub(crate) fn write_down(&mut self, action: Action, outcome: Outcome) {
        let unavailable_at = self.unavailable_at.take();
        self.ops.push(Op { client: self.number, action, outcome, unavailable_at });
    }

    pub(crate) async fn send(&mut self, request: Request) -> Option<Response> {
        let (fleet, gate) = (Arc::clone(&self.fleet), Arc::clone(&self.gate));
        let (response, took) = timed(&fleet, &gate, Some(&request)).await?;
        self.note(response, took)
    }

    /// Counts an answer, and checks what holds for every answer.
    pub(crate) fn note(&mut self, response: Option<Response>, took: Duration) -> Option<Response> {
        self.tally.requests += 1;
        self.tally.longest = self.tally.longest.max(took);
        let is_unavailable = response.as_ref().is_some_and(|response| response.status == 503);
        self.unavailable_at = is_unavailable.then(Utc::now);
        let Some(response) = response else {
            self.tally.unanswered += 1;
            return None;
        };
        match response.status {
            200..400 => self.tally.successes += 1,
            400..500 => self.tally.refusals += 1,
            503 if response.header("retry-after").is_some() => self.tally.failures += 1,
            _ => {
                self.tally.failures += 1;
                self.wrong.push(format!("an answer that no fault excuses: {response:?}"));
            }
        }
        Some(response)
    }

    /// The outcome that an answer tells. `refusals` are the 4xx that can be expected here.
    pub(crate) fn judge(&mut self, response: Option<Response>, at: Option<usize>, refusals: &[u64]) -> Outcome {
        match response {
            Some(response) if response.status < 300 => self.learn(&response, at),
            Some(response) if response.status < 500 => {
                if !refusals.contains(&response.status) {
                    self.wrong.push(format!("an answer that nothing asked for: {response:?}"));
                }
                if let (404, Some(at)) = (response.status, at) {
                    self.tasks.swap_remove(at);
                }
                Outcome::Refused(response.status)
            }
            _ => Outcome::Unknown,
        }
    }

    /// Remembers the task that an answer shows.
    pub(crate) fn learn(&mut self, response: &Response, at: Option<usize>) -> Outcome {
        let etag = response.header("etag").unwrap_or_default().to_owned();
        let Some(seen) = seen(&response.json()).filter(|_| !etag.is_empty()) else {
            self.wrong.push(format!("no task with an ETag: {response:?}"));
            return Outcome::Unknown;
        };
        let mut known = Known { task: seen.task, version: seen.version, etag, old: None };
        match at.and_then(|at| self.tasks.get_mut(at)) {
            Some(before) => {
                known.old = if before.version == seen.version {
                    before.old.clone()
                } else {
                    Some((before.version, before.etag.clone()))
                };
                *before = known;
            }
            None => self.tasks.push(known),
        }
        Outcome::Done(seen)
    }
}

fn seen(task: &Value) -> Option<Seen> {
    Some(Seen { task: task["id"].as_i64()?, version: task["updated_at"].as_str()?.parse().ok()? })
}

/// Sends a request, if there is one, as soon as the gate is open, and measures the time until the answer.
pub(crate) async fn timed(
    fleet: &Fleet,
    gate: &RwLock<()>,
    request: Option<&Request>,
) -> Option<(Option<Response>, Duration)> {
    let request = request?;
    let _open = gate.read().await;
    let started = Instant::now();
    Some((fleet.send(request).await, started.elapsed()))
}
