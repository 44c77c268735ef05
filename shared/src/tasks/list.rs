//! The list of a user's tasks: filtered, sorted, and a page at a time.
//!
//! Pages are found by the last task of the one before (a keyset), not by counting rows: a page
//! deep in the list costs what the first does, and tasks that come and go meanwhile neither
//! repeat nor hide others.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::{Task, columns, from_row};
use crate::{
    Result, Text,
    auth::Owner,
    db::{Arguments, Db, Repeat},
    http::{Input, Page, Problem, Problems, Request, boolean},
    timestamp, users,
};

/// The most tasks on a page, and how many there are when nobody asks for fewer.
pub const MAX_LIMIT: u16 = 1000;

/// The names of the orders.
pub const SORTS: [&str; 8] = ["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"];

/// What to sort by. The id decides between equals, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sort {
    key: Key,
    descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Id,
    CreatedAt,
    UpdatedAt,
    Title,
}

impl Sort {
    /// The order of a name in [`SORTS`].
    fn parse(name: &str) -> Option<Self> {
        SORTS.contains(&name).then_some(())?;
        let (column, descending) = name.strip_prefix('-').map_or((name, false), |column| (column, true));
        let key = Key::ALL.into_iter().find(|key| key.column() == column)?;
        Some(Self { key, descending })
    }

    fn name(self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.key.column())
    }
}

impl Key {
    const ALL: [Self; 4] = [Self::Id, Self::CreatedAt, Self::UpdatedAt, Self::Title];

    /// The column, which is also the name in the query.
    fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::Title => "title",
        }
    }
}

/// The last task of a page, as far as the page after it needs to know.
#[derive(Debug, Clone, PartialEq)]
struct Cursor {
    sort: Sort,
    last: Last,
    id: i64,
}

/// The value that a page was sorted by, in its last task.
#[derive(Debug, Clone, PartialEq)]
enum Last {
    Id,
    Time(DateTime<Utc>),
    Title(String),
}

impl Cursor {
    fn of(sort: Sort, task: &Task) -> Self {
        let last = match sort.key {
            Key::Id => Last::Id,
            Key::CreatedAt => Last::Time(task.created_at),
            Key::UpdatedAt => Last::Time(task.updated_at),
            Key::Title => Last::Title(task.title.clone()),
        };
        Self { sort, last, id: task.id }
    }

    /// Base64url of a JSON array. It is no secret and needs no signature: whatever it says, the
    /// list shows the owner's tasks only.
    fn encode(&self) -> String {
        let last = match &self.last {
            Last::Id => Value::Null,
            Last::Time(at) => at.timestamp_micros().into(),
            Last::Title(title) => title.as_str().into(),
        };
        URL_SAFE_NO_PAD.encode(json!([self.sort.name(), last, self.id]).to_string())
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (sort, last, id): (String, Value, i64) = serde_json::from_slice(&bytes).ok()?;
        let sort = Sort::parse(&sort)?;
        let last = match (sort.key, last) {
            (Key::Id, Value::Null) => Last::Id,
            (Key::CreatedAt | Key::UpdatedAt, Value::Number(micros)) => {
                Last::Time(timestamp::from_micros(micros.as_i64()?)?)
            }
            (Key::Title, Value::String(title)) if !title.contains('\0') => Last::Title(title),
            _ => return None,
        };
        Some(Self { sort, last, id })
    }
}

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
    fn next(&self, owner: Owner, last: &Task) -> String {
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
    let tasks = fetch(db, owner, query, limit + 1).await?;
    let page = Page::of(tasks.get(..limit).unwrap_or(&tasks));
    let last = page.length.checked_sub(1).and_then(|last| tasks.get(last));
    let next = last.filter(|_| page.length < tasks.len()).map(|last| query.next(owner, last));
    Ok(TaskPage { body: page.body, next })
}

/// Up to `limit` tasks. One row without a task says that the owner has none.
///
/// Only what is asked for is in the statement: planning what is not would take longer than finding
/// the tasks.
async fn fetch(db: &Db, owner: Owner, query: &ListQuery, limit: usize) -> Result<Vec<Task>> {
    let mut arguments = Arguments::default();
    let mut conditions = String::from("user_id = $1");
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
        r#"
        SELECT {columns}
        FROM "user" AS owner
        LEFT JOIN (
            SELECT *
            FROM task
            WHERE {conditions}
            ORDER BY {order}
            LIMIT {limit}
        ) AS listed ON TRUE
        WHERE owner.id = $1
        ORDER BY {order_of_rows}
        "#,
        columns = columns("listed"),
        order_of_rows = order.replace("id ", "listed.id "),
    );
    let rows = db.query(owner, Repeat::Safe, &sql, &arguments.parameters()).await?;
    let first = rows.first().ok_or_else(users::gone)?;
    if first.get::<_, Option<i64>>(0).is_none() {
        return Ok(Vec::new());
    }
    Ok(rows.iter().map(from_row).collect())
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
    fn cursors_survive_the_round_trip() {
        let at = DateTime::from_timestamp_micros(1_704_164_645_123_456).unwrap_or_default();
        for name in SORTS {
            let sort = Sort::parse(name).unwrap();
            assert_eq!(sort.name(), name);
            let last = match sort.key {
                Key::Id => Last::Id,
                Key::Title => Last::Title("Éclair 😀".into()),
                Key::CreatedAt | Key::UpdatedAt => Last::Time(at),
            };
            let cursor = Cursor { sort, last, id: 7 };
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor), "{name}");
        }
    }

    #[test]
    fn foreign_cursors_are_refused() {
        let encode = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let foreign = [
            String::new(),
            "x".into(),
            encode("[]"),
            encode(r#"["id",null,7,8]"#),
            encode(r#"["id","x",7]"#),
            encode(r#"["title","a\u0000",7]"#),
            encode(r#"["created_at",9223372036854775807,7]"#),
            // The year -9999: within chrono's range and not within Postgres's.
            encode(r#"["created_at",-377705116800000000,7]"#),
            encode(r#"["user_id",null,7]"#),
        ];
        for text in foreign {
            assert_eq!(Cursor::decode(&text), None, "{text}");
        }
    }

    #[test]
    fn search_text_is_no_pattern() {
        assert_eq!(contains(r"50%_\"), r"%50\%\_\\%");
    }
}
