//! The types that a field of a body can have, and what may be wrong with a value, in pydantic's words.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Problem;
use crate::{Text, problem::Loc, timestamp};

/// A type that a field of a body can have.
pub trait Field: Sized {
    /// Reads the value at `loc`.
    ///
    /// # Errors
    /// The problem with the value.
    fn parse(value: &Value, loc: Value) -> Result<Self, Problem>;

    /// The value as JSON. Equal values give equal JSON.
    fn to_json(&self) -> Value;
}

impl<const MIN: usize, const MAX: usize> Field for Text<MIN, MAX> {
    fn parse(value: &Value, loc: Loc) -> Result<Self, Problem> {
        Self::parse(value, loc)
    }

    fn to_json(&self) -> Value {
        self.as_str().into()
    }
}

impl Field for bool {
    /// Booleans, and the values that pydantic accepts as a boolean: 1 and 0, also as floats, and the strings of
    /// [`boolean`].
    fn parse(value: &Value, loc: Loc) -> Result<Self, Problem> {
        let read = match value {
            Value::Bool(value) => return Ok(*value),
            Value::String(text) => boolean(text),
            Value::Number(number) => match number.as_f64() {
                Some(1.0) => Some(true),
                Some(0.0) => Some(false),
                // To pydantic, a whole number that fits 64 bits is a boolean with a wrong value, and any other
                // number has a wrong type.
                Some(float) if float.fract() == 0.0 && float.abs() < 2f64.powi(63) => None,
                _ => return Err(not_boolean(value, loc)),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(not_boolean(value, loc)),
        };
        read.ok_or_else(|| {
            let message = "Input should be a valid boolean, unable to interpret input";
            Problem::new("bool_parsing", loc, message, value.clone())
        })
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl Field for DateTime<Utc> {
    /// RFC 3339 with an offset from UTC, cut off after microseconds, which is Postgres's resolution.
    fn parse(value: &Value, loc: Loc) -> Result<Self, Problem> {
        let Value::String(text) = value else {
            return Err(Problem::new("datetime_type", loc, "Input should be a valid datetime", value.clone()));
        };
        timestamp::parse(text).ok_or_else(|| {
            let rule = "a date, a time and an offset from UTC are needed";
            let message = format!("Input should be a valid datetime or date, {rule}");
            Problem::new("datetime_from_date_parsing", loc, message, value.clone()).with(json!({ "error": rule }))
        })
    }

    fn to_json(&self) -> Value {
        timestamp::text(*self).into()
    }
}

fn not_boolean(value: &Value, loc: Loc) -> Problem {
    Problem::new("bool_type", loc, "Input should be a valid boolean", value.clone())
}

/// The boolean that a string stands for, in any ASCII case.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match () {
        () if is(["true", "yes", "on", "y", "t", "1"]) => Some(true),
        () if is(["false", "no", "off", "n", "f", "0"]) => Some(false),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339() {
        let parse = |text: &str| DateTime::<Utc>::parse(&json!(text), json!([])).map(|at| at.to_json());
        for (sent, kept) in [
            ("2026-03-04T05:06:07Z", "2026-03-04T05:06:07Z"),
            ("2026-03-04t05:06:07.1234567+02:00", "2026-03-04T03:06:07.123456Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(parse(sent), Ok(json!(kept)), "{sent}");
        }
        for wrong in
            ["", "tomorrow", "2026-03-04", "2026-03-04T05:06:07", "2026-02-30T05:06:07Z", "0000-01-01T00:00:00Z"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(DateTime::<Utc>::parse(&json!(1_772_600_767), json!([])).is_err());
    }
}
