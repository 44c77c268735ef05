//! Sends arbitrary events to every function for a limited time. Every event gets an answer below 500, and nothing
//! panics. `FUZZ_SECONDS` sets the time, and `FUZZ_SEED` repeats a run.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use shared::routes::{NOT_FOUND, ROUTES};
use tests::{Api, random::Random, runtime::TIMEOUT, token};

/// The parts of events.
trait Words {
    /// A text of characters that are difficult for parsers.
    fn text(&mut self) -> String;
    /// Any JSON with at most `depth` levels.
    fn value(&mut self, depth: usize) -> Value;
    /// A body that is nearly valid.
    fn body(&mut self) -> String;
}

impl Words for Random {
    fn text(&mut self) -> String {
        const PIECES: [&str; 28] = [
            "",
            "a",
            "1",
            "-",
            "0",
            "9223372036854775808",
            "%",
            "%00",
            "%ff",
            "%2F",
            "/",
            "//",
            "?",
            "&",
            "=",
            "\"",
            "\\",
            "<>",
            " ",
            "\0",
            "\u{1}",
            "\u{fffd}",
            "é",
            "😀",
            "\u{202e}",
            "{",
            "}",
            "null",
        ];
        let length = self.below(6);
        (0..length).map(|_| *self.pick(&PIECES)).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.next()),
            3 => json!(-1.5e300),
            4 | 5 => self.text().into(),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..self.below(4)).map(|_| (self.text(), self.value(depth - 1))).collect()),
        }
    }

    fn body(&mut self) -> String {
        let mut body = Map::new();
        for name in ["title", "description", "completed", "name", "image", ""] {
            if self.below(2) == 0 {
                body.insert(name.into(), self.value(3));
            }
        }
        let mut text = Value::Object(body).to_string();
        if self.below(4) == 0 {
            let at = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).nth(self.below(8)).unwrap_or_default();
            text.insert_str(at, &self.text());
        }
        text
    }
}

/// A valid event with random changes.
fn event(random: &mut Random, method: &str, path: &str) -> Value {
    let id = |random: &mut Random| if random.below(3) == 0 { random.text() } else { "1".into() };
    let mut event = json!({
        "version": "2.0",
        "routeKey": if random.below(2) == 0 { "$default".into() } else { format!("{method} {path}") },
        "rawPath": if random.below(2) == 0 { path.to_owned() } else { random.text() },
        "rawQueryString": format!("{}={}&limit={}&cursor={}", random.pick(&["q", "sort", "completed", "x"]), random.text(), random.text(), random.text()),
        "headers": {
            "authorization": if random.below(8) == 0 { random.text() } else { format!("Bearer {}", token::of(1)) },
            "content-type": *random.pick(&["application/json", "text/plain", "application/x+json;", ""]),
            "origin": random.text(),
            "access-control-request-method": random.text(),
            "access-control-request-headers": random.text(),
        },
        "pathParameters": { "user_id": id(random), "id": id(random) },
        "requestContext": { "http": { "method": if random.below(4) == 0 { "OPTIONS" } else { method } } },
        "body": random.body(),
        "isBase64Encoded": random.below(8) == 0,
    });
    for _ in 0..random.below(3) {
        mutate(random, &mut event);
    }
    if random.below(50) == 0 { random.value(4) } else { event }
}

/// Replaces or removes one value in an object, at any depth.
fn mutate(random: &mut Random, value: &mut Value) {
    let Value::Object(object) = value else {
        *value = random.value(2);
        return;
    };
    let Some(name) = object.keys().nth(random.below(object.len().max(1))).cloned() else { return };
    match random.below(3) {
        0 => drop(object.remove(&name)),
        1 => drop(object.insert(name, random.value(2))),
        _ => mutate(random, &mut object[&name]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_makes_a_function_fail() {
    let variable =
        |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let seed = variable("FUZZ_SEED", u64::from(std::process::id()));
    let time = Duration::from_secs(variable("FUZZ_SECONDS", 10));
    println!("FUZZ_SEED={seed}");
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let mut targets: Vec<_> = ROUTES.iter().map(|route| (route.function, route.method, route.path)).collect();
    targets.push((NOT_FOUND, "GET", "/api/1/tasks/"));
    let share = time / u32::try_from(targets.len() + 1).unwrap();
    for (at, (name, method, path)) in targets.iter().enumerate() {
        let function = api.function(name).await;
        let mut random = Random(seed.wrapping_add(u64::try_from(at).unwrap()));
        let end = Instant::now() + share;
        let mut answered = 0;
        while Instant::now() < end {
            if *name == "delete-me" {
                api.database.execute(r#"DELETE FROM "user""#).await;
                api.database.users(&[1]).await;
            }
            let event = event(&mut random, method, path);
            let answer = function.invoke(&event).await.unwrap_or_else(|error| panic!("{name}: {error}\n{event}"));
            let status = answer["statusCode"].as_i64().unwrap_or_default();
            assert!((200..500).contains(&status), "FUZZ_SEED={seed} {name}: {answer}\n{event}");
            answered += 1;
        }
        assert!(answered > 10, "{name} answered {answered} events only");
        assert!(!function.log().iter().any(|line| line.contains("panic")), "{name}: {:?}", function.log());
    }
    let migrate =
        tests::runtime::Function::start("migrate", &[("DATABASE_URL".into(), api.database.url())].into(), 1).await;
    let (mut random, end) = (Random(seed), Instant::now() + share);
    while Instant::now() < end {
        let event = random.value(3);
        let error = migrate.invoke_raw(event.to_string(), TIMEOUT).await.expect_err("an arbitrary event");
        assert_eq!(error["errorType"], "Request", "{event}: {error}");
    }
}
