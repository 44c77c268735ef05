//! Text of a bounded length.

use serde_json::{Value, json};

use crate::problem::{Loc, Problem};

/// Text of `MIN..=MAX` Unicode code points without NUL, which Postgres cannot store.
///
/// Only [`Text::parse`] makes a `Text`, so code that gets one does not check it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The minimum and maximum number of characters.
    pub const BOUNDS: (usize, usize) = (MIN, MAX);

    /// Reads a JSON string of the right length.
    ///
    /// # Errors
    /// The [`Problem`] at `loc`, in pydantic's words.
    pub fn parse(value: &Value, loc: Loc) -> Result<Self, Problem> {
        let Value::String(text) = value else {
            return Err(Problem::new("string_type", loc, "Input should be a valid string", value.clone()));
        };
        let length = text.chars().count();
        if length < MIN {
            let message = format!("String should have at least {MIN} character{}", plural(MIN));
            return Err(
                Problem::new("string_too_short", loc, message, value.clone()).with(json!({ "min_length": MIN }))
            );
        }
        if length > MAX {
            let message = format!("String should have at most {MAX} character{}", plural(MAX));
            return Err(Problem::new("string_too_long", loc, message, value.clone()).with(json!({ "max_length": MAX })));
        }
        if text.contains('\0') {
            return Err(Problem::nul(loc, value.clone()));
        }
        Ok(Self(text.clone()))
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
