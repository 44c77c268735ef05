//! The list of a user's tasks: filtered, sorted, and a page at a time.
//!
//! Pages are found by the last task of the one before (a keyset), not by counting rows: a page
//! deep in the list costs what the first does, and tasks that come and go meanwhile neither
//! repeat nor hide others.

use serde_json::{Value, json};
use tokio_postgres::{Row, types::Type};

use super::{
    COLUMNS, Task,
    cursor::{Cursor, Key, Last, SORTS, Sort},
    from_row, refusal,
};
use crate::{
    Result, Text,
    auth::Owner,
    db::{Arguments, Db, Repeat},
    http::{Input, Page, Problem, Problems, Request, boolean},
    users,
};

/// The most tasks on a page, and how many there are when nobody asks for fewer.
pub const MAX_LIMIT: u16 = 1000;

/// Which tasks to list, and in which order.
#[derive(Debug)]
pub struct ListQuery {
    completed: Option<bool>,
    search: Option<Text<0, 1000>>,
    sort: Sort,
    /// As it was asked for.
    limit: Option<u16>,
    cursor: Option<Cursor>,
}

impl Input for ListQuery {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let mut query = Self {
            completed: None,
            search: None,
            sort: Sort { key: Key::Id, descending: false },
            limit: None,
            cursor: None,
        };
        // Of a parameter that is there twice the last counts, as in FastAPI; unknown ones do not.
        for (name, value) in request.query() {
            match &*name {
                "completed" => query.completed = problems.take(completed(&value)),
                "q" => query.search = problems.take(Text::parse(&json!(value), json!(["query", "q"]))),
                "sort" => query.sort = problems.take(sort(&value)).unwrap_or(query.sort),
                "limit" => query.limit = problems.take(limit(&value)),
                "cursor" => query.cursor = problems.take(cursor(&value)),
                _ => {}
            }
        }
        if let Some(cursor) = query.cursor.as_ref().filter(|cursor| cursor.sort != query.sort) {
            let input = cursor.encode().into();
            problems.push(Problem::value(json!(["query", "cursor"]), "the cursor is of another sort", input));
        }
        Some(query)
    }
}

impl ListQuery {
    /// The address of the page after the one that ends with `last`.
    fn next(&self, owner: Owner, last: &Task<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(completed) = self.completed {
            query.append_pair("completed", if completed { "true" } else { "false" });
        }
        if let Some(search) = &self.search {
            query.append_pair("q", search.as_str());
        }
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        query.append_pair("sort", &self.sort.name());
        query.append_pair("cursor", &Cursor::of(self.sort, last).encode());
        format!("/api/{}/tasks?{}", owner.id(), query.finish())
    }
}

fn completed(text: &str) -> Result<bool, Problem> {
    boolean(text).ok_or_else(|| {
        let message = "Input should be a valid boolean, unable to interpret input";
        Problem::new("bool_parsing", json!(["query", "completed"]), message, text.into())
    })
}

fn sort(text: &str) -> Result<Sort, Problem> {
    Sort::parse(text).ok_or_else(|| {
        let names = SORTS.map(|name| format!("'{name}'"));
        let expected = names.join(", ").replacen(", '-title'", " or '-title'", 1);
        let message = format!("Input should be {expected}");
        Problem::new("literal_error", json!(["query", "sort"]), message, text.into())
            .with(json!({ "expected": expected }))
    })
}

fn limit(text: &str) -> Result<u16, Problem> {
    let loc = json!(["query", "limit"]);
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::integer(loc, text));
    }
    match text.parse::<u16>() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Ok(1..) => Err(too_large(loc, text)),
        Err(_) if !text.starts_with('-') => Err(too_large(loc, text)),
        _ => {
            let message = "Input should be greater than or equal to 1";
            Err(Problem::new("greater_than_equal", loc, message, text.into()).with(json!({ "ge": 1 })))
        }
    }
}

fn too_large(loc: Value, text: &str) -> Problem {
    let message = format!("Input should be less than or equal to {MAX_LIMIT}");
    Problem::new("less_than_equal", loc, message, text.into()).with(json!({ "le": MAX_LIMIT }))
}

fn cursor(text: &str) -> Result<Cursor, Problem> {
    let rule = "the cursor is not one of this API's";
    Cursor::decode(text).ok_or_else(|| Problem::value(json!(["query", "cursor"]), rule, text.into()))
}

/// A page of tasks.
#[derive(Debug)]
pub struct TaskPage {
    /// A JSON array of tasks.
    pub body: String,
    /// The address of the next page, when there is one.
    pub next: Option<String>,
}

/// The page of the owner's tasks that `query` asks for.
///
/// # Errors
/// [`crate::Error::Unauthenticated`] when the owner is gone.
pub async fn list(db: &Db, owner: Owner, query: &ListQuery) -> Result<TaskPage> {
    let limit = usize::from(query.limit.unwrap_or(MAX_LIMIT));
    let rows = fetch(db, owner, query, limit + 1).await?;
    let tasks: Vec<Task<&str>> = rows.iter().map(from_row).collect();
    let page = Page::of(tasks.get(..limit).unwrap_or(&tasks));
    let last = page.length.checked_sub(1).and_then(|last| tasks.get(last));
    let next = last.filter(|_| page.length < tasks.len()).map(|last| query.next(owner, last));
    Ok(TaskPage { body: page.body, next })
}

/// The rows of up to `limit` tasks.
///
/// Only what is asked for is in the statement: planning what is not would take longer than finding
/// the tasks.
async fn fetch(db: &Db, owner: Owner, query: &ListQuery, limit: usize) -> Result<Vec<Row>> {
    let mut arguments = Arguments::default();
    // Not `= $1`: of a number that it knows to be that of many tasks, the planner thinks that the
    // first of them are soon found among everyone's, and reads the whole table in the order of ids.
    let mut conditions = String::from("user_id = (SELECT $1)");
    let mut and = |condition: String| conditions.extend([" AND ", &condition]);
    if let Some(completed) = query.completed {
        and(format!("completed = {}", arguments.push(completed, Type::BOOL)));
    }
    if let Some(search) = &query.search {
        let pattern = arguments.push(contains(search.as_str()), Type::TEXT);
        and(format!("(title ILIKE {pattern} OR description ILIKE {pattern})"));
    }
    let (direction, beyond) = if query.sort.descending { ("DESC", "<") } else { ("ASC", ">") };
    if let Some(cursor) = &query.cursor {
        let id = arguments.push(cursor.id, Type::INT8);
        let column = query.sort.key.column();
        and(match &cursor.last {
            Last::Id => format!("id {beyond} {id}"),
            Last::Time(at) => format!("({column}, id) {beyond} ({}, {id})", arguments.push(*at, Type::TIMESTAMPTZ)),
            Last::Title(title) => {
                format!("({column}, id) {beyond} ({}, {id})", arguments.push(title.clone(), Type::TEXT))
            }
        });
    }
    let order = match query.sort.key {
        Key::Id => format!("id {direction}"),
        key => format!("{} {direction}, id {direction}", key.column()),
    };
    let limit = arguments.push(i64::try_from(limit).unwrap_or(i64::MAX), Type::INT8);
    let sql = format!(
        "
        SELECT {COLUMNS}, CASE WHEN id IS NULL THEN task_refusal($1, NULL) END AS refusal
        FROM (SELECT) AS always
        LEFT JOIN (
            SELECT *
            FROM task
            WHERE {conditions}
            ORDER BY {order}
            LIMIT {limit}
        ) AS listed ON TRUE
        ORDER BY {order}
        ",
    );
    let rows = db.query(owner, Repeat::Safe, &sql, &arguments.parameters()).await?;
    match rows.first().and_then(refusal) {
        None => Ok(rows),
        Some("no such user") => Err(users::gone()),
        Some(_) => Ok(Vec::new()),
    }
}

/// The pattern of texts that contain `text`, whatever it consists of.
fn contains(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_text_is_no_pattern() {
        assert_eq!(contains(r"50%_\"), r"%50\%\_\\%");
    }
}
