//! Timestamps, in pydantic's format and within Postgres's range.

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::Serializer;

/// The example in the description of the API.
#[cfg(feature = "openapi")]
pub(crate) const EXAMPLE: &str = "2026-01-02T03:04:05.123456Z";

/// Writes RFC 3339 in UTC with `Z`, with six digits of a second, or none if they would all be zero. For
/// `#[serde(serialize_with)]`.
pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*at))
}

/// As [`serialize`], with null for `None`.
#[allow(clippy::ref_option)] // Serde's signature.
pub(crate) fn serialize_optional<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// Writes digit by digit, because a list has two timestamps per task. Chrono's formatter reads a pattern each time
/// and would take a fifth of all instructions of a list.
pub(crate) fn text(at: DateTime<Utc>) -> String {
    let mut text = to_the_second(at);
    let micros = at.timestamp_subsec_micros();
    if micros != 0 {
        text.push('.');
        two_digits(&mut text, micros / 10_000);
        two_digits(&mut text, micros / 100);
        two_digits(&mut text, micros);
    }
    text.push('Z');
    text
}

/// The current time with milliseconds, for the log.
pub(crate) fn now() -> String {
    let now = Utc::now();
    let mut text = to_the_second(now);
    let millis = now.timestamp_subsec_millis();
    text.push('.');
    text.push(last_digit(millis / 100));
    two_digits(&mut text, millis);
    text.push('Z');
    text
}

fn to_the_second(at: DateTime<Utc>) -> String {
    let at = at.naive_utc();
    let mut text = String::with_capacity("2024-01-02T03:04:05.123456Z".len());
    match at.year() {
        year @ 0..10_000 => {
            two_digits(&mut text, year.unsigned_abs() / 100);
            two_digits(&mut text, year.unsigned_abs());
        }
        // RFC 3339 does not have other years. Postgres does, but no task has one.
        year => text.push_str(&year.to_string()),
    }
    for (before, number) in
        [('-', at.month()), ('-', at.day()), ('T', at.hour()), (':', at.minute()), (':', at.second())]
    {
        text.push(before);
        two_digits(&mut text, number);
    }
    text
}

/// The last two digits of a number.
fn two_digits(text: &mut String, number: u32) {
    text.push(last_digit(number / 10));
    text.push(last_digit(number));
}

fn last_digit(number: u32) -> char {
    char::from_digit(number % 10, 10).unwrap_or('0')
}

/// An instant in the years 1 to 9999, from RFC 3339, cut off after microseconds. `None` for any other text.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    from_micros(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros())
}

/// An instant in the years 1 to 9999, from microseconds of Unix time. `None` outside of these years.
pub(crate) fn from_micros(micros: i64) -> Option<DateTime<Utc>> {
    const YEAR_1: i64 = -62_135_596_800_000_000;
    const YEAR_10000: i64 = 253_402_300_800_000_000;
    (YEAR_1..YEAR_10000).contains(&micros).then(|| DateTime::from_timestamp_micros(micros)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fraction_has_six_digits_or_none() {
        let write = |nanos| {
            let at = DateTime::from_timestamp(1_704_164_645, nanos).unwrap_or_default();
            serialize(&at, serde_json::value::Serializer).unwrap_or_default()
        };
        assert_eq!(write(0), "2024-01-02T03:04:05Z");
        assert_eq!(write(120_000_000), "2024-01-02T03:04:05.120000Z");
        assert_eq!(write(1_000), "2024-01-02T03:04:05.000001Z");
    }

    #[test]
    fn digits_are_chronos() {
        for micros in (-62_135_596_800_000_000..253_402_300_800_000_000).step_by(7_777_777_777_777) {
            let at = from_micros(micros).unwrap();
            let format = if micros % 1_000_000 == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
            assert_eq!(text(at), at.format(format).to_string());
        }
    }
}
