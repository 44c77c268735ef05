//! Timestamps: as pydantic writes them, and as Postgres can hold them.

use chrono::{DateTime, Utc};
use serde::Serializer;

/// RFC 3339 in UTC with `Z`, and either six digits of a second or none when they would be zero: for
/// `#[serde(serialize_with)]`.
pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    let format = if at.timestamp_subsec_micros() == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
    serializer.collect_str(&at.format(format))
}

/// An instant that Postgres can hold, from microseconds of Unix time.
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
}
