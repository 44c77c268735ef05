//! Creating tasks, with keys and without.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tests::Response;

use crate::{
    client::{Client, timed},
    record::{Action, Outcome},
};

/// How often a create with a key is sent before the client gives up.
const ATTEMPTS: u32 = 8;

impl Client {
    /// Creates a task with a key, and repeats that until there is an answer. The first time, `at_once` requests are
    /// sent at once.
    pub(crate) async fn create(&mut self, at_once: usize) {
        let title = self.title();
        let key = format!("key-{title}");
        let mut answers: Vec<Response> = Vec::new();
        let mut refused = None;
        for attempt in 0..ATTEMPTS {
            let request = || self.request("POST", "").header("Idempotency-Key", &key).json(json!({ "title": title }));
            let (first, second) = (request(), (at_once > 1 && attempt == 0).then(request));
            let (fleet, gate) = (Arc::clone(&self.fleet), Arc::clone(&self.gate));
            let (first, second) =
                tokio::join!(timed(&fleet, &gate, Some(&first)), timed(&fleet, &gate, second.as_ref()));
            for (response, took) in [first, second].into_iter().flatten() {
                match self.note(response, took) {
                    Some(response) if response.status == 201 => answers.push(response),
                    Some(response) if response.status < 500 => refused = Some(response.status),
                    _ => {}
                }
            }
            if !answers.is_empty() || refused.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50 << attempt.min(4))).await;
        }
        self.agree(&title, &answers);
        let outcome = match (answers.pop(), refused) {
            (Some(response), _) => {
                let outcome = self.learn(&response, None);
                self.created = Some((title.clone(), key, response));
                outcome
            }
            (None, Some(status)) => {
                self.wrong.push(format!("{title}: a create with a key: {status}"));
                Outcome::Refused(status)
            }
            (None, None) => Outcome::Unknown,
        };
        self.write_down(Action::Create { title }, outcome);
    }

    /// Checks that all answers to one key are the same, and that at most one of them is not a replay.
    fn agree(&mut self, title: &str, answers: &[Response]) {
        if answers.windows(2).any(|pair| pair[0].body != pair[1].body) {
            self.wrong.push(format!("{title}: one key, several answers: {answers:?}"));
        }
        if answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count() > 1 {
            self.wrong.push(format!("{title}: one key, and created several times: {answers:?}"));
        }
    }

    pub(crate) async fn create_again(&mut self) {
        let Some((title, key, first)) = self.created.clone() else { return self.create(1).await };
        let request = self.request("POST", "").header("Idempotency-Key", &key).json(json!({ "title": title }));
        let Some(response) = self.send(request).await else { return };
        let replayed = response.header("idempotent-replayed");
        if response.status < 500 && (response.status, &response.body, replayed) != (201, &first.body, Some("true")) {
            self.wrong.push(format!("{title}: not the same answer again: {response:?}"));
        }
    }

    pub(crate) async fn create_other(&mut self) {
        let Some((_, key, _)) = self.created.clone() else { return self.create(1).await };
        let title = self.title();
        let request = self.request("POST", "").header("Idempotency-Key", &key).json(json!({ "title": title }));
        let outcome = match self.send(request).await {
            Some(response) if response.status == 422 => Outcome::Refused(422),
            Some(response) if response.status < 500 => {
                self.wrong.push(format!("{title}: another body with an old key: {response:?}"));
                Outcome::Unknown
            }
            _ => Outcome::Unknown,
        };
        self.write_down(Action::Create { title }, outcome);
    }

    pub(crate) async fn create_plain(&mut self) {
        let title = self.title();
        let request = self.request("POST", "").json(json!({ "title": title }));
        let response = self.send(request).await;
        let outcome = self.judge(response, None, &[]);
        self.write_down(Action::Create { title }, outcome);
    }
}
