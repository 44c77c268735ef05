//! The parameters of a list in `/openapi.json`.

use serde_json::{Value, json};

use super::{MAX_LIMIT, ORDERS, SORT_ALIASES, STATUSES, Search};
use crate::{openapi::WITHOUT_NUL, tasks::SORTS};

/// What a parameter is for, and what it may be.
pub(super) fn of(name: &str) -> (&'static str, Value) {
    let text = || json!({ "type": "string", "maxLength": Search::BOUNDS.1, "pattern": WITHOUT_NUL });
    let number = |least: i32| json!({ "type": "integer", "minimum": least });
    match name {
        "completed" => ("Only completed tasks, or only open ones.", json!({ "type": "boolean" })),
        "status" => ("The same in other words; `all` is no filter.", json!({ "type": "string", "enum": STATUSES })),
        "q" => ("Only tasks whose title or description contains this, in any case.", text()),
        "search" => ("The same as `q`.", text()),
        "sort" => {
            let names: Vec<_> = SORTS.into_iter().chain(SORT_ALIASES.map(|(alias, _)| alias)).collect();
            let description = "The order; `-` for descending. `created` and `updated` stand for `created_at` and \
                `updated_at`. Without it, the deployment's usual order: `id`, unless it has set another.";
            (description, json!({ "type": "string", "enum": names }))
        }
        "sort_by" => ("The same as `sort`.", of("sort").1),
        "order" => ("The direction of `sort`, or of the usual order.", json!({ "type": "string", "enum": ORDERS })),
        "sort_order" => ("The same as `order`.", of("order").1),
        "limit" => (
            "The most tasks on a page.",
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": MAX_LIMIT }),
        ),
        "page_size" | "per_page" => {
            ("The same as `limit`.", json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT }))
        }
        "cursor" => (
            "Where the page before ended: comes with the address in its `Link`. It costs the same however deep the \
             page is, and misses no task when others come and go.",
            json!({ "type": "string" }),
        ),
        "offset" => ("How many tasks come before the page, in place of a cursor.", number(0)),
        "skip" => ("The same as `offset`.", number(0)),
        "page" => ("The number of the page, from 1 on, of pages of `limit` tasks, in place of a cursor.", number(1)),
        // A test says so.
        _ => ("", Value::Null),
    }
}
