//! One JSON line per request, and what a request has about it while it runs.
//!
//! No line carries a token, a secret or a text of a user's: messages are this program's own, and
//! of a database error only what [`causes`] lets through.

use std::{
    cell::Cell,
    error::Error as StdError,
    io::{self, Write},
    panic::PanicHookInfo,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::{task_local, time::Instant};
use tokio_postgres::error::DbError as PostgresError;

use crate::{
    auth::{Caller, IdForLog},
    http::Response,
    timestamp,
};

task_local! {
    static SCOPE: Scope;
}

/// What belongs to the request that a task is working on.
struct Scope {
    deadline: Instant,
    user: Cell<Option<IdForLog>>,
    database: Cell<Duration>,
}

/// What [`with_request_scope`] found out about a request.
pub(crate) struct RequestStats {
    pub(crate) user_id: Option<IdForLog>,
    pub(crate) duration: Duration,
    pub(crate) database: Duration,
}

/// Runs `work` as the work on one request, which has to end at `deadline`.
pub(crate) async fn with_request_scope<T>(deadline: Instant, work: impl Future<Output = T>) -> (T, RequestStats) {
    let started = Instant::now();
    let scope = Scope { deadline, user: Cell::default(), database: Cell::default() };
    SCOPE
        .scope(scope, async {
            let result = work.await;
            let stats = SCOPE.with(|scope| RequestStats {
                user_id: scope.user.take(),
                duration: started.elapsed(),
                database: scope.database.get(),
            });
            (result, stats)
        })
        .await
}

/// When the request that runs now must be done; half a minute from now outside of one.
pub(crate) fn deadline() -> Instant {
    SCOPE.try_with(|scope| scope.deadline).unwrap_or_else(|_| Instant::now() + Duration::from_secs(30))
}

/// Remembers for the log whose request this is.
pub(crate) fn note_user(caller: &Caller) {
    // Outside of a request there is nothing to remember it for.
    let _ = SCOPE.try_with(|scope| scope.user.set(Some(caller.id().for_log())));
}

/// What is kept back of an invocation's time to answer in: a request that takes longer gets its
/// 503 before Lambda cuts it off.
const MARGIN: Duration = Duration::from_millis(500);

/// The time for an invocation whose deadline is unknown: `cargo lambda watch` sends one of 1970.
const NO_DEADLINE: Duration = Duration::from_secs(10);

/// The time that is left for an invocation, from its deadline in milliseconds of Unix time.
#[must_use]
pub fn time_left(deadline_ms: u64) -> Duration {
    time_left_at(deadline_ms, SystemTime::now())
}

fn time_left_at(deadline_ms: u64, now: SystemTime) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    let deadline = Duration::from_millis(deadline_ms);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if deadline + DAY < now {
        return NO_DEADLINE;
    }
    deadline.saturating_sub(now).saturating_sub(MARGIN)
}

/// Adds to the time that the request spent on the database.
pub(crate) fn note_database_time(spent: Duration) {
    let _ = SCOPE.try_with(|scope| scope.database.set(scope.database.get() + spent));
}

/// The line about one request. Times are in milliseconds.
#[derive(Serialize)]
pub(crate) struct RequestLine<'a> {
    pub(crate) request_id: &'a str,
    /// The client's trace, see [`trace_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<&'a str>,
    /// X-Ray's trace, see [`xray_trace_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) xray_trace_id: Option<&'a str>,
    pub(crate) function: &'static str,
    /// The version of the function.
    pub(crate) version: &'a str,
    /// Method and path pattern, never the path itself.
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    /// Whether it is logged as an error.
    #[serde(skip)]
    pub(crate) is_failure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<IdForLog>,
    pub(crate) duration_ms: f64,
    pub(crate) database_ms: f64,
    pub(crate) cold_start: bool,
    /// Why a request was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    /// The chain of causes of an answer of 500 and above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<String>,
    #[serde(skip)]
    pub(crate) metrics: Option<Metrics>,
}

/// What makes CloudWatch read metrics out of a line, its
/// [Embedded Metric Format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
/// Each costs money, so there is none that no alarm and no dashboard reads.
#[derive(Serialize)]
pub(crate) struct Metrics {
    #[serde(rename = "_aws")]
    aws: Value,
    /// 1 for an answer that is a failure of the API's, else 0. Lambda's own `Errors` does not count answers.
    failures: u8,
    /// 1 for a refused token, else 0: a release with a wrong issuer refuses everybody's. A request without one counts
    /// for nothing, or anybody could stop a deployment by sending many.
    unauthorized: u8,
}

impl Metrics {
    pub(crate) fn new(namespace: &str, response: &Response, has_token: bool) -> Self {
        let metrics = |dimensions: Value, names: [&str; 2], unit: &str| {
            let metrics = names.map(|name| json!({ "Name": name, "Unit": unit }));
            json!({ "Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics })
        };
        let aws = json!({
            "Timestamp": chrono::Utc::now().timestamp_millis(),
            "CloudWatchMetrics": [
                // Per version: a deployment watches the one that takes its first requests.
                metrics(json!([["function", "version"]]), ["failures", "unauthorized"], "Count"),
                // All functions together.
                metrics(json!([[]]), ["duration_ms", "database_ms"], "Milliseconds"),
            ],
        });
        Self {
            aws,
            failures: response.is_failure().into(),
            unauthorized: (has_token && response.is_unauthorized()).into(),
        }
    }
}

/// The trace id of a `traceparent` header, if it is one
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)).
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace_id, parent_id) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    let is_valid = is_hex(version, 2) && version != "ff" && is_hex(trace_id, 32) && is_hex(parent_id, 16);
    (is_valid && is_set(trace_id)).then_some(trace_id)
}

/// The root of Lambda's trace header, such as `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`
/// ([X-Ray](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader)).
pub(crate) fn xray_trace_id(header: &str) -> Option<&str> {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root="))
}

/// Writes the line about one request.
pub(crate) fn request(line: &RequestLine) {
    let level = if line.is_failure { "ERROR" } else { "INFO" };
    let mut written = Line::new(level, "request").and(line);
    if let Some(metrics) = &line.metrics {
        written = written.and(metrics);
    }
    written.write();
}

/// Writes a warning with its chain of causes.
pub fn warn(message: &'static str, error: &(dyn StdError + 'static)) {
    write("WARN", message, &Causes { causes: causes(error) });
}

/// Writes a line about something that went as it should.
pub fn info(message: &'static str, fields: &impl Serialize) {
    write("INFO", message, fields);
}

/// Milliseconds with microsecond precision.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Logs where a panic happened, and not its message: that may quote what a user wrote.
pub fn panic_hook(info: &PanicHookInfo) {
    write("ERROR", "panic", &Panic::of(info));
}

#[derive(Serialize)]
struct Causes {
    causes: Vec<String>,
}

#[derive(Serialize)]
struct Panic {
    location: String,
}

impl Panic {
    fn of(info: &PanicHookInfo) -> Self {
        Self { location: info.location().map(ToString::to_string).unwrap_or_default() }
    }
}

/// The chain of causes, outermost first.
///
/// Of an error that Postgres reports only severity, code, message and the names of table and
/// constraint are shown: its detail quotes the row.
pub fn causes(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<PostgresError>() {
            let place = [error.table(), error.constraint()].into_iter().flatten().collect::<Vec<_>>().join(".");
            let code = error.code().code();
            causes.push(format!("{} {code}: {} {place}", error.severity(), error.message()).trim_end().to_owned());
        } else if !error.source().is_some_and(<dyn StdError>::is::<PostgresError>) {
            // What wraps a report of Postgres's says no more than "db error".
            causes.push(error.to_string());
        }
        next = error.source();
    }
    causes
}

fn write(level: &'static str, message: &'static str, fields: &impl Serialize) {
    Line::new(level, message).and(fields).write();
}

/// A line that is being written: a JSON object without its end.
struct Line(Vec<u8>);

impl Line {
    fn new(level: &'static str, message: &'static str) -> Self {
        let timestamp = timestamp::now();
        Self(format!(r#"{{"timestamp":"{timestamp}","level":"{level}","message":"{message}""#).into_bytes())
    }

    /// Adds the fields of a struct, of which there is at least one.
    fn and(mut self, fields: &impl Serialize) -> Self {
        let end = self.0.len();
        match serde_json::to_writer(&mut self.0, fields) {
            // An object's braces: the first gives way to a comma, the last goes.
            Ok(()) => {
                self.0.pop();
                self.0.splice(end..=end, [b',']);
            }
            Err(_) => self.0.truncate(end),
        }
        self
    }

    fn write(mut self) {
        self.0.extend(b"}\n");
        // Nobody can be told that the log is closed.
        let _ = io::stdout().write_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_the_invocations_less_the_margin() {
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        assert_eq!(time_left_at(1_800_000_003_000, now), Duration::from_millis(2500));
        assert_eq!(time_left_at(1_800_000_000_100, now), Duration::ZERO);
        assert_eq!(time_left_at(1_799_999_999_000, now), Duration::ZERO);
        assert_eq!(time_left_at(10_000, now), NO_DEADLINE);
        assert_eq!(time_left_at(0, now), NO_DEADLINE);
    }

    #[test]
    fn traces_are_found_in_their_headers() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for good in [format!("00-{id}-00f067aa0ba902b7-01"), format!("cc-{id}-00f067aa0ba902b7-01-what-comes-later")] {
            assert_eq!(trace_id(&good), Some(id), "{good}");
        }
        let zeros = "0".repeat(32);
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6-00f067aa0ba902b7-01",
            &format!("ff-{id}-00f067aa0ba902b7-01"),
            &format!("00-{zeros}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            &format!("00-{id}\"-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(trace_id(wrong), None, "{wrong}");
        }
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        assert_eq!(xray_trace_id(header), Some("1-5759e988-bd862e3fe1be46a994272793"));
        assert_eq!(xray_trace_id("Sampled=0"), None);
    }

    #[test]
    fn a_panic_is_logged_without_its_message() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let test = std::thread::current().id();
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == test {
                sender.send(serde_json::to_string(&Panic::of(info)).unwrap()).unwrap();
            } else {
                previous(info);
            }
        }));
        std::panic::catch_unwind(|| panic!("private words")).unwrap_err();
        let line = receiver.recv().unwrap();
        assert!(line.contains("telemetry.rs") && !line.contains("private"), "{line}");
    }
}
