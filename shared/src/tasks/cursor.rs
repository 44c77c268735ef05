//! The orders of a list, and where a page of it ends.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio_postgres::types::{ToSql, Type};

use super::Task;
use crate::timestamp;

/// The names of the orders.
pub const SORTS: [&str; 8] = ["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"];

/// What to sort by. The id decides between equals, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) key: Key,
    pub(super) descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Id,
    CreatedAt,
    UpdatedAt,
    Title,
}

impl Sort {
    /// The order of ids.
    pub(super) const ID: Self = Self { key: Key::Id, descending: false };

    /// The order of a name in [`SORTS`].
    pub(super) fn parse(name: &str) -> Option<Self> {
        SORTS.contains(&name).then_some(())?;
        let (column, descending) = name.strip_prefix('-').map_or((name, false), |column| (column, true));
        let key = Key::ALL.into_iter().find(|key| key.column() == column)?;
        Some(Self { key, descending })
    }

    /// The SQL of a list in this order.
    fn fill(self, sql: &str) -> String {
        let (direction, beyond) = if self.descending { ("desc", "<") } else { ("asc", ">") };
        let parts = if self.key == Key::Id { self.in_order_of_index() } else { Self::sorted() };
        sql.replace("{{begin_ids}}", parts.begin_ids)
            .replace("{{end_ids}}", parts.end_ids)
            .replace("{{own_tasks}}", parts.own_tasks)
            .replace("{{order}}", parts.order)
            .replace("{{bound}}", parts.bound)
            .replace("{{more_settings}}", parts.more_settings)
            .replace("{{column}}", self.key.column())
            .replace("{{value}}", &self.key.sorted_by(&format!("t.{}", self.key.column())))
            .replace("{{after}}", &self.key.sorted_by("after"))
            .replace("{{direction}}", direction)
            .replace("{{beyond}}", beyond)
    }

    /// In the order of ids, an index has the page, and nothing is sorted. list.sql says why the conditions are these.
    fn in_order_of_index(self) -> Parts {
        let bound = if self.descending {
            "bound CONSTANT BIGINT := COALESCE(after_id, '9223372036854775807'::BIGINT);"
        } else {
            "bound CONSTANT BIGINT := COALESCE(after_id, '-9223372036854775808'::BIGINT);"
        };
        Parts {
            begin_ids: "",
            end_ids: "",
            own_tasks: "t.user_id >= caller AND t.user_id <= caller AND t.id {{beyond}}= bound",
            order: "t.user_id {{direction}}, t.id {{direction}}",
            bound,
            more_settings: "SET enable_sort = off",
        }
    }

    /// In another order, ids are sorted, with nothing but the value to sort by, and the tasks of the page are read after
    /// that: the whole texts of all tasks of a user do not fit into the memory of a sort. The planner must not read
    /// everybody's tasks, as it would when it knows of one user only.
    fn sorted() -> Parts {
        Parts {
            begin_ids: "t.user_id = caller AND t.id = ANY (ARRAY(SELECT t.id FROM task_api.task AS t WHERE",
            end_ids: "))\n    ORDER BY {{order}}",
            own_tasks: "t.user_id = caller",
            order: "{{value}} {{direction}}, t.id {{direction}}",
            bound: "",
            more_settings: "SET enable_seqscan = off",
        }
    }

    pub(super) fn name(self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.key.column())
    }
}

/// What differs between the SQL of lists in the order of an index and of others.
struct Parts {
    begin_ids: &'static str,
    end_ids: &'static str,
    own_tasks: &'static str,
    order: &'static str,
    bound: &'static str,
    more_settings: &'static str,
}

impl Key {
    const ALL: [Self; 4] = [Self::Id, Self::CreatedAt, Self::UpdatedAt, Self::Title];

    /// The column, which is also the name in the query.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::Title => "title",
        }
    }

    /// What Postgres sorts by, of a value in SQL: the value itself, and of a column that may be NULL an expression that
    /// is never NULL, such as `COALESCE({value}, 'infinity')`.
    fn sorted_by(self, value: &str) -> String {
        match self {
            Self::Id | Self::CreatedAt | Self::UpdatedAt | Self::Title => value.to_owned(),
        }
    }
}

/// The SQL of a function once for each order that a list may have, so that Postgres keeps a plan of each; any
/// other function as it is.
pub(crate) fn one_per_sort(sql: &str) -> Vec<String> {
    if !sql.contains("{{direction}}") {
        return vec![sql.to_owned()];
    }
    let sorts = SORTS.into_iter().filter_map(Sort::parse);
    sorts.map(|sort| sort.fill(sql)).collect()
}

/// The last task of a page, as far as the page after it needs to know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cursor {
    pub(super) sort: Sort,
    pub(super) last: Last,
    pub(super) id: i64,
}

/// The value that a page was sorted by, in its last task.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Last {
    Id,
    /// `None` in a task that has no such time.
    Time(Option<DateTime<Utc>>),
    Title(String),
}

/// The value that a page begins after, as a parameter of its query; NULL on the first page.
pub(super) fn after(sort: Sort, cursor: Option<&Cursor>) -> (Box<dyn ToSql + Sync + Send>, Type) {
    let last = cursor.map(|cursor| &cursor.last);
    let time = if let Some(Last::Time(at)) = last { *at } else { None };
    let title = if let Some(Last::Title(title)) = last { Some(title.clone()) } else { None };
    match sort.key {
        Key::Id => (Box::new(cursor.map(|cursor| cursor.id)), Type::INT8),
        Key::CreatedAt | Key::UpdatedAt => (Box::new(time), Type::TIMESTAMPTZ),
        Key::Title => (Box::new(title), Type::VARCHAR),
    }
}

impl Cursor {
    pub(super) fn of(sort: Sort, task: &Task<&str>) -> Self {
        let last = match sort.key {
            Key::Id => Last::Id,
            Key::CreatedAt => Last::Time(Some(task.created_at)),
            Key::UpdatedAt => Last::Time(Some(task.updated_at)),
            Key::Title => Last::Title(task.title.to_owned()),
        };
        Self { sort, last, id: task.id }
    }

    /// Base64url of a JSON array. It is no secret and needs no signature: whatever it says, the
    /// list shows the owner's tasks only.
    pub(super) fn encode(&self) -> String {
        let last = match &self.last {
            Last::Id => Value::Null,
            Last::Time(at) => at.map(|at| at.timestamp_micros()).into(),
            Last::Title(title) => title.as_str().into(),
        };
        URL_SAFE_NO_PAD.encode(json!([self.sort.name(), last, self.id]).to_string())
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (sort, last, id): (String, Value, i64) = serde_json::from_slice(&bytes).ok()?;
        let sort = Sort::parse(&sort)?;
        let last = match (sort.key, last) {
            (Key::Id, Value::Null) => Last::Id,
            (Key::CreatedAt | Key::UpdatedAt, Value::Number(micros)) => {
                Last::Time(Some(timestamp::from_micros(micros.as_i64()?)?))
            }
            (Key::Title, Value::String(title)) if !title.contains('\0') => Last::Title(title),
            _ => return None,
        };
        Some(Self { sort, last, id })
    }
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
                Key::CreatedAt | Key::UpdatedAt => Last::Time(Some(at)),
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
}
