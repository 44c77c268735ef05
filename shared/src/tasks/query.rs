//! What a list is asked for: the parameters of its query, in this API's words and in those that frontends
//! of other backends use.

#[cfg(feature = "openapi")]
mod description;
mod values;

use std::borrow::Cow;

use serde_json::json;
use tokio_postgres::types::Type;

use super::{
    Task,
    cursor::{Cursor, Key, Sort},
};
use crate::{
    Result, Text,
    auth::Owner,
    db::Parameter,
    http::{Input, Problem, Problems, Request},
};

/// The most tasks on a page, and how many there are when nobody asks for fewer.
pub const MAX_LIMIT: u16 = 1000;

/// A text to search for: a longer one takes the database longer, of up to 10,000 long descriptions.
pub type Search = Text<0, 100>;

/// What `status` may be.
pub const STATUSES: [&str; 3] = ["all", "pending", "completed"];

/// What `order` may be.
pub const ORDERS: [&str; 2] = ["asc", "desc"];

/// Other names of orders, and what they stand for.
pub const SORT_ALIASES: [(&str, &str); 4] =
    [("created", "created_at"), ("-created", "-created_at"), ("updated", "updated_at"), ("-updated", "-updated_at")];

/// Which tasks to list, and in which order.
#[derive(Debug)]
pub struct ListQuery {
    pub(super) filter: Filter,
    key: Option<Key>,
    descending: Option<bool>,
    /// As it was asked for.
    limit: Option<u16>,
    pub(super) start: Start,
}

/// Which tasks to list. A field that is `None` is no condition.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Filter {
    completed: Option<bool>,
    search: Option<Search>,
}

impl Filter {
    /// Whether all tasks are listed.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The parameters of the conditions, in the order of `list_by.sql`.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        // Every field: one that is added does not compile without its place here.
        let Self { completed, search } = self;
        vec![(completed, Type::BOOL), (search, Type::TEXT)]
    }

    /// Adds it to the address of the next page.
    fn append_to(&self, query: &mut form_urlencoded::Serializer<String>) {
        let Self { completed, search } = self;
        if let Some(completed) = completed {
            query.append_pair("completed", if *completed { "true" } else { "false" });
        }
        if let Some(search) = search {
            query.append_pair("q", search.as_str());
        }
    }
}

/// Where a page begins.
#[derive(Debug, PartialEq)]
pub(super) enum Start {
    /// After the task of a cursor, or with the first one.
    After(Option<Cursor>),
    /// After so many tasks.
    Offset(i32),
    /// As the page with this number, from 1 on.
    Page(i32),
}

/// A parameter as it was sent last.
struct Sent<T> {
    name: &'static str,
    value: T,
    text: String,
}

/// Every parameter that is known, as it was sent last, if it could be read.
#[derive(Default)]
struct Parameters {
    completed: Option<Sent<bool>>,
    status: Option<Sent<Option<bool>>>,
    q: Option<Sent<Search>>,
    search: Option<Sent<Search>>,
    sort: Option<Sent<Sort>>,
    sort_by: Option<Sent<Sort>>,
    order: Option<Sent<bool>>,
    sort_order: Option<Sent<bool>>,
    limit: Option<Sent<u16>>,
    page_size: Option<Sent<u16>>,
    per_page: Option<Sent<u16>>,
    cursor: Option<Sent<Cursor>>,
    offset: Option<Sent<i32>>,
    skip: Option<Sent<i32>>,
    page: Option<Sent<i32>>,
}

impl Input for ListQuery {
    fn read(request: &Request, problems: &mut Problems) -> Option<Self> {
        let mut last: Vec<(&'static str, Cow<str>)> = Vec::new();
        // Of a parameter that is there twice the last counts and the others are not looked at, as in FastAPI;
        // nor are unknown ones.
        for (name, value) in request.query() {
            let Some(name) = NAMES.into_iter().find(|known| *known == name) else { continue };
            last.retain(|(known, _)| *known != name);
            last.push((name, value));
        }
        let mut sent = Parameters::default();
        for (name, text) in last {
            sent.read(name, &text, problems);
        }
        Some(sent.into_query(problems))
    }

    #[cfg(feature = "openapi")]
    fn describe(operation: &mut crate::openapi::Operation) {
        for name in NAMES {
            let (description, schema) = description::of(name);
            operation.query(name, description, &schema);
        }
    }
}

/// The parameters that are known.
const NAMES: [&str; 15] = [
    "completed",
    "status",
    "q",
    "search",
    "sort",
    "sort_by",
    "order",
    "sort_order",
    "limit",
    "page_size",
    "per_page",
    "cursor",
    "offset",
    "skip",
    "page",
];

impl Parameters {
    fn read(&mut self, name: &'static str, text: &str, problems: &mut Problems) {
        fn take<T>(
            place: &mut Option<Sent<T>>,
            (name, text): (&'static str, &str),
            value: Result<T, Problem>,
            problems: &mut Problems,
        ) {
            *place = problems.take(value).map(|value| Sent { name, value, text: text.to_owned() });
        }
        let (sent, loc) = ((name, text), json!(["query", name]));
        match name {
            "completed" => take(&mut self.completed, sent, values::completed(text, loc), problems),
            "status" => take(&mut self.status, sent, values::status(text, loc), problems),
            "q" => take(&mut self.q, sent, Text::parse(&json!(text), loc), problems),
            "search" => take(&mut self.search, sent, Text::parse(&json!(text), loc), problems),
            "sort" => take(&mut self.sort, sent, values::sort(text, loc), problems),
            "sort_by" => take(&mut self.sort_by, sent, values::sort(text, loc), problems),
            "order" => take(&mut self.order, sent, values::order(text, loc), problems),
            "sort_order" => take(&mut self.sort_order, sent, values::order(text, loc), problems),
            "limit" => take(&mut self.limit, sent, values::limit(text, loc), problems),
            "page_size" => take(&mut self.page_size, sent, values::limit(text, loc), problems),
            "per_page" => take(&mut self.per_page, sent, values::limit(text, loc), problems),
            "cursor" => take(&mut self.cursor, sent, values::cursor(text, loc), problems),
            "offset" => take(&mut self.offset, sent, values::at_least(0, text, loc), problems),
            "skip" => take(&mut self.skip, sent, values::at_least(0, text, loc), problems),
            "page" => take(&mut self.page, sent, values::at_least(1, text, loc), problems),
            // A name in `NAMES` that is not read: a test finds it.
            _ => {}
        }
    }

    /// What all of them together ask for; contradictions are problems.
    fn into_query(self, problems: &mut Problems) -> ListQuery {
        if let (Some(status), Some(completed)) = (&self.status, &self.completed)
            && status.value != Some(completed.value)
        {
            problems.push(contradiction(status, completed.name));
        }
        let search = one_of(self.q, self.search, |one, other| one.as_str() == other.as_str(), problems);
        let sort = one_of(self.sort, self.sort_by, PartialEq::eq, problems);
        let order = one_of(self.order, self.sort_order, PartialEq::eq, problems);
        let limit = one_of(self.limit, self.page_size, PartialEq::eq, problems);
        let limit = one_of(limit, self.per_page, PartialEq::eq, problems);
        let offset = one_of(self.offset, self.skip, PartialEq::eq, problems);
        if let (Some(order), Some(sort)) = (&order, &sort)
            && sort.value.descending
            && !order.value
        {
            problems.push(contradiction(order, sort.name));
        }
        let key = sort.as_ref().map(|sort| sort.value.key);
        let descending = match (&order, &sort) {
            (Some(order), _) => Some(order.value),
            (None, sort) => sort.as_ref().map(|sort| sort.value.descending),
        };
        let pages = [offset.as_ref(), self.page.as_ref()].into_iter().flatten();
        let counted = pages.map(|page| page.name).next();
        if let Some(cursor) = &self.cursor {
            if let Some(other) = counted {
                problems.push(contradiction(cursor, other));
            }
            let is_other = key.is_some_and(|key| key != cursor.value.sort.key)
                || descending.is_some_and(|descending| descending != cursor.value.sort.descending);
            if is_other {
                let loc = json!(["query", "cursor"]);
                problems.push(Problem::value(loc, "the cursor is of another sort", cursor.value.encode().into()));
            }
        } else if let (Some(page), Some(offset)) = (&self.page, &offset) {
            problems.push(contradiction(page, offset.name));
        }
        ListQuery {
            filter: Filter {
                completed: self.completed.map(|sent| sent.value).or(self.status.and_then(|sent| sent.value)),
                search: search.map(|sent| sent.value),
            },
            key,
            descending,
            limit: limit.map(|sent| sent.value),
            start: match (self.cursor, offset, self.page) {
                (None, Some(offset), _) => Start::Offset(offset.value),
                (None, None, Some(page)) => Start::Page(page.value),
                (cursor, ..) => Start::After(cursor.map(|sent| sent.value)),
            },
        }
    }
}

/// One parameter under two names, which must not differ.
fn one_of<T>(
    one: Option<Sent<T>>,
    other: Option<Sent<T>>,
    is_same: impl FnOnce(&T, &T) -> bool,
    problems: &mut Problems,
) -> Option<Sent<T>> {
    if let (Some(one), Some(other)) = (&one, &other)
        && !is_same(&one.value, &other.value)
    {
        problems.push(contradiction(other, one.name));
    }
    one.or(other)
}

fn contradiction<T>(sent: &Sent<T>, other: &'static str) -> Problem {
    let message = format!("Value error, {} contradicts {other}", sent.name);
    let rule = format!("{} contradicts {other}", sent.name);
    Problem::new("value_error", json!(["query", sent.name]), message, sent.text.as_str().into())
        .with(json!({ "error": rule }))
}

impl ListQuery {
    /// The order, which is `usual` where none is asked for.
    pub(super) fn sort(&self, usual: Sort) -> Sort {
        if let Start::After(Some(cursor)) = &self.start {
            return cursor.sort;
        }
        match (self.key, self.descending) {
            (None, None) => usual,
            (key, descending) => Sort { key: key.unwrap_or(usual.key), descending: descending.unwrap_or(false) },
        }
    }

    /// The most tasks on the page.
    pub(super) fn limit(&self) -> u16 {
        self.limit.unwrap_or(MAX_LIMIT)
    }

    /// How many tasks come before the page, besides those before its cursor.
    pub(super) fn skip(&self) -> i32 {
        match self.start {
            Start::After(_) => 0,
            Start::Offset(offset) => offset,
            Start::Page(page) => (page - 1).saturating_mul(self.limit().into()),
        }
    }

    /// The address of the page after one of so many tasks that ends with `last`, found the way that this one was.
    pub(super) fn next(&self, owner: &Owner, sort: Sort, length: usize, last: &Task<&str>) -> String {
        // Every field: one that is added does not compile without its place here.
        let Self { filter, key: _, descending: _, limit, start } = self;
        let mut query = form_urlencoded::Serializer::new(String::new());
        filter.append_to(&mut query);
        if let Some(limit) = limit {
            query.append_pair("limit", &limit.to_string());
        }
        query.append_pair("sort", &sort.name());
        match start {
            Start::After(_) => query.append_pair("cursor", &Cursor::of(sort, last).encode()),
            Start::Page(page) if length == usize::from(self.limit()) => {
                query.append_pair("page", &page.saturating_add(1).to_string())
            }
            // A page that ended early, as its texts are long, is none that page numbers count.
            Start::Page(_) | Start::Offset(_) => {
                let offset = self.skip().saturating_add(i32::try_from(length).unwrap_or(i32::MAX));
                query.append_pair("offset", &offset.to_string())
            }
        };
        format!("/api/{}/tasks?{}", owner.id().in_path(), query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that is known is read, and so a value that fits no parameter is a problem.
    #[test]
    fn every_parameter_is_read() {
        for name in NAMES {
            let (mut sent, mut problems) = (Parameters::default(), Problems::default());
            sent.read(name, "\0", &mut problems);
            assert!(problems.into_result().is_err(), "{name} is not read in `Parameters::read`");
        }
    }

    #[cfg(feature = "openapi")]
    #[test]
    fn every_parameter_is_described() {
        for name in NAMES {
            assert!(!description::of(name).0.is_empty(), "{name} is not described in query/description.rs");
        }
    }
}
