//! The log line about one request, and the metrics in it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{telemetry::Line, user_id::IdForLog};

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
    pub(crate) fn new(namespace: &str, is_failure: bool, is_refused_token: bool) -> Self {
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
        Self { aws, failures: is_failure.into(), unauthorized: is_refused_token.into() }
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
pub(crate) fn write(line: &RequestLine) {
    let level = if line.is_failure { "ERROR" } else { "INFO" };
    let mut written = Line::new(level, "request").and(line);
    if let Some(metrics) = &line.metrics {
        written = written.and(metrics);
    }
    written.write();
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
