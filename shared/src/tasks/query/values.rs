//! Values of parameters, and what may be wrong with them, in pydantic's words.

use serde_json::{Value, json};

use super::{MAX_LIMIT, ORDERS, SORT_ALIASES, STATUSES};
use crate::{
    Result,
    http::{Problem, boolean},
    tasks::cursor::{Cursor, SORTS, Sort},
};

pub(super) fn completed(text: &str, loc: Value) -> Result<bool, Problem> {
    boolean(text).ok_or_else(|| {
        let message = "Input should be a valid boolean, unable to interpret input";
        Problem::new("bool_parsing", loc, message, text.into())
    })
}

/// What `completed` would be; nothing for all of them.
pub(super) fn status(text: &str, loc: Value) -> Result<Option<bool>, Problem> {
    match text {
        "all" => Ok(None),
        "pending" => Ok(Some(false)),
        "completed" => Ok(Some(true)),
        _ => Err(literal(&STATUSES, text, loc)),
    }
}

pub(super) fn sort(text: &str, loc: Value) -> Result<Sort, Problem> {
    let alias = SORT_ALIASES.iter().find(|(alias, _)| *alias == text);
    Sort::parse(alias.map_or(text, |(_, name)| name)).ok_or_else(|| literal(&SORTS, text, loc))
}

/// Whether it is descending.
pub(super) fn order(text: &str, loc: Value) -> Result<bool, Problem> {
    match text {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(literal(&ORDERS, text, loc)),
    }
}

/// A text that is none of those it may be.
pub(super) fn literal(names: &[&str], text: &str, loc: Value) -> Problem {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    let expected = match quoted.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    };
    let message = format!("Input should be {expected}");
    Problem::new("literal_error", loc, message, text.into()).with(json!({ "expected": expected }))
}

pub(super) fn limit(text: &str, loc: Value) -> Result<u16, Problem> {
    let number = at_least(1, text, loc.clone())?;
    u16::try_from(number).ok().filter(|number| *number <= MAX_LIMIT).ok_or_else(|| {
        let message = format!("Input should be less than or equal to {MAX_LIMIT}");
        Problem::new("less_than_equal", loc, message, text.into()).with(json!({ "le": MAX_LIMIT }))
    })
}

/// A whole number from `least` on; one past 32 bits is as good as the largest.
pub(super) fn at_least(least: i32, text: &str, loc: Value) -> Result<i32, Problem> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::integer(loc, text));
    }
    let beyond = if text.starts_with('-') { i32::MIN } else { i32::MAX };
    Some(text.parse().unwrap_or(beyond)).filter(|number| *number >= least).ok_or_else(|| {
        let message = format!("Input should be greater than or equal to {least}");
        Problem::new("greater_than_equal", loc, message, text.into()).with(json!({ "ge": least }))
    })
}

pub(super) fn cursor(text: &str, loc: Value) -> Result<Cursor, Problem> {
    let rule = "the cursor is not one of this API's";
    Cursor::decode(text).ok_or_else(|| Problem::value(loc, rule, text.into()))
}
