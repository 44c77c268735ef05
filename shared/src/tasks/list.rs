//! The list of a user's tasks: filtered, sorted, and a page at a time.
//!
//! Pages are found by the last task of the one before (a keyset), unless the client counts: a page
//! deep in the list costs what the first does, and tasks that come and go meanwhile neither
//! repeat nor hide others.

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{
    Task,
    cursor::{self, SORTS, Sort},
    query::{ListQuery, Start},
    task,
};
use crate::{
    Result,
    auth::Owner,
    config::{ConfigError, Env},
    db::{Db, Fields, Outcome, Parameter, RELEASE_SCHEMA, call_for_rows},
    http::Page,
};

/// The order of a list that asks for none: `DEFAULT_SORT`.
#[derive(Debug, Clone, Copy)]
pub struct DefaultSort(Sort);

impl DefaultSort {
    /// The order of ids, as the recorded API has it.
    pub const ID: Self = Self(Sort::ID);

    /// `DEFAULT_SORT`, or the order of ids.
    ///
    /// # Errors
    /// When it is none of [`SORTS`].
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let name = env.choice("DEFAULT_SORT", &SORTS)?;
        Ok(name.and_then(Sort::parse).map_or(Self::ID, Self))
    }
}

/// A page of tasks.
#[derive(Debug)]
pub struct TaskPage {
    /// A JSON array of tasks.
    pub body: String,
    /// The address of the next page, when there is one.
    pub next: Option<String>,
}

/// The page of the owner's tasks that `query` asks for, in the order `usual` unless it asks for one.
///
/// # Errors
/// [`crate::Error::Unauthenticated`] when the owner is gone.
pub async fn list(db: &Db, owner: &Owner, query: &ListQuery, usual: DefaultSort) -> Result<TaskPage> {
    let (limit, sort) = (usize::from(query.limit()), query.sort(usual.0));
    // One more than is shown tells whether there is another page.
    let rows = fetch(db, owner, query, sort, i32::from(query.limit()) + 1).await?;
    if let Some(first) = rows.first() {
        first.field::<Outcome>(0)?.done()?;
    }
    let mut tasks: Vec<Task<&str>> = Vec::with_capacity(rows.len());
    for row in &rows {
        tasks.push(task(owner, row)?);
    }
    let page = Page::of(tasks.get(..limit).unwrap_or(&tasks));
    let last = page.length.checked_sub(1).and_then(|last| tasks.get(last));
    let next = last.filter(|_| page.length < tasks.len()).map(|last| query.next(owner, sort, page.length, last));
    Ok(TaskPage { body: page.body, next })
}

/// The rows of up to `limit` tasks. The list without filters in the order of ids has a function of its own,
/// whose plan is the simplest.
async fn fetch(db: &Db, owner: &Owner, query: &ListQuery, sort: Sort, limit: i32) -> Result<Vec<Row>> {
    let cursor = match &query.start {
        Start::After(cursor) => cursor.as_ref(),
        Start::Offset(_) | Start::Page(_) => None,
    };
    let (after_id, skip) = (cursor.map(|cursor| cursor.id), query.skip());
    if sort == Sort::ID && skip == 0 && query.filter.is_empty() {
        let after = after_id.unwrap_or(i64::MIN);
        let parameters: [Parameter; 2] = [(&after, Type::INT8), (&limit, Type::INT4)];
        return Ok(db.read(owner, call_for_rows!("list_tasks($1, $2, $3)"), &parameters).await?);
    }
    let (last, kind) = cursor::after(sort, cursor);
    let mut parameters = query.filter.parameters();
    parameters.extend([
        (last.as_ref() as &(dyn ToSql + Sync), kind),
        (&after_id, Type::INT8),
        (&skip, Type::INT4),
        (&limit, Type::INT4),
    ]);
    let (column, direction) = (sort.key.column(), if sort.descending { "desc" } else { "asc" });
    // $1 is the owner.
    let placeholders: Vec<_> = (1..=parameters.len() + 1).map(|number| format!("${number}")).collect();
    let call =
        format!("SELECT * FROM {RELEASE_SCHEMA}.list_tasks_by_{column}_{direction}({})", placeholders.join(", "));
    Ok(db.read(owner, &call, &parameters).await?)
}
