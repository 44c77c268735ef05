//! The list of a user's tasks: filtered, sorted, and a page at a time.
//!
//! Pages are found by the last task of the one before (a keyset), not by counting rows: a page
//! deep in the list costs what the first does, and tasks that come and go meanwhile neither
//! repeat nor hide others.

use serde_json::{Value, json};
use tokio_postgres::{Row, types::Type};

use super::{
    Task,
    cursor::{Cursor, Key, Last, SORTS, Sort},
    from_read,
};
use crate::{
    Result, Text,
    auth::Owner,
    db::{Db, Outcome, Parameter, RELEASE_SCHEMA, call},
    http::{Input, Page, Problem, Problems, Request, boolean},
};

/// The order of a list that asks for none.
const USUAL: Sort = Sort { key: Key::Id, descending: false };

/// The most tasks on a page, and how many there are when nobody asks for fewer.
pub const MAX_LIMIT: u16 = 1000;

/// A text to search for: a longer one takes the database longer, of up to 10,000 long descriptions.
pub type Search = Text<0, 100>;

/// Which tasks to list, and in which order.
#[derive(Debug)]
pub struct ListQuery {
    completed: Option<bool>,
    search: Option<Search>,
    sort: Sort,
    /// As it was asked for.
    limit: Option<u16>,
    cursor: Option<Cursor>,
}

impl Input for ListQuery {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let mut query = Self { completed: None, search: None, sort: USUAL, limit: None, cursor: None };
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
    fn next(&self, owner: &Owner, last: &Task<&str>) -> String {
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
        format!("/api/{}/tasks?{}", owner.id().in_path(), query.finish())
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
pub async fn list(db: &Db, owner: &Owner, query: &ListQuery) -> Result<TaskPage> {
    let limit = usize::from(query.limit.unwrap_or(MAX_LIMIT));
    // One more than is shown tells whether there is another page.
    let rows = fetch(db, owner, query, i32::from(query.limit.unwrap_or(MAX_LIMIT)) + 1).await?;
    if let Some(first) = rows.first() {
        Outcome::of(first).done()?;
    }
    let tasks: Vec<Task<&str>> = rows.iter().map(|row| from_read(owner, row)).collect();
    let page = Page::of(tasks.get(..limit).unwrap_or(&tasks));
    let last = page.length.checked_sub(1).and_then(|last| tasks.get(last));
    let next = last.filter(|_| page.length < tasks.len()).map(|last| query.next(owner, last));
    Ok(TaskPage { body: page.body, next })
}

/// The rows of up to `limit` tasks. The usual list has a function of its own, whose plan is the simplest.
async fn fetch(db: &Db, owner: &Owner, query: &ListQuery, limit: i32) -> Result<Vec<Row>> {
    let after_id = query.cursor.as_ref().map(|cursor| cursor.id);
    if query.sort == USUAL && query.completed.is_none() && query.search.is_none() {
        let after = after_id.unwrap_or(i64::MIN);
        let parameters: [Parameter; 2] = [(&after, Type::INT8), (&limit, Type::INT4)];
        return Ok(db.read(owner, call!("list_tasks($1, $2, $3)"), &parameters).await?);
    }
    let search = query.search.as_ref().map(Text::as_str);
    let (time, title) = match query.cursor.as_ref().map(|cursor| &cursor.last) {
        Some(Last::Time(at)) => (Some(*at), None),
        Some(Last::Title(title)) => (None, Some(title.as_str())),
        Some(Last::Id) | None => (None, None),
    };
    let after: Parameter = match query.sort.key {
        Key::Id => (&after_id, Type::INT8),
        Key::CreatedAt | Key::UpdatedAt => (&time, Type::TIMESTAMPTZ),
        Key::Title => (&title, Type::VARCHAR),
    };
    let parameters: [Parameter; 6] = [
        (&query.completed, Type::BOOL),
        (&search, Type::TEXT),
        after,
        (&after_id, Type::INT8),
        (&0_i32, Type::INT4),
        (&limit, Type::INT4),
    ];
    let direction = if query.sort.descending { "desc" } else { "asc" };
    let call = format!(
        "SELECT * FROM {RELEASE_SCHEMA}.list_tasks_by_{}_{direction}($1, $2, $3, $4, $5, $6, $7)",
        query.sort.key.column(),
    );
    Ok(db.read(owner, &call, &parameters).await?)
}
