//! The request in an event.

use serde::Deserialize;
use serde_json::Value;

use crate::{adopt::Adoption, failure::Failure};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Apply the missing migrations, up to version `to` if it is given.
    Up { to: Option<i32> },
    /// Apply the missing migrations, and accept a database that is newer than this binary's files: when a deployment
    /// is rolled back, the old version meets the new schema.
    Deploy,
    /// Undo the migrations that are newer than this version.
    DownTo(i32),
    /// Only report.
    Status,
    /// Copy the tasks of another table.
    Adopt(Adoption),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    action: Action,
    to: Option<i32>,
    from: Option<String>,
    dry_run: Option<bool>,
    leave_unfit: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Up,
    Down,
    Status,
    Adopt,
}

impl Request {
    /// Reads an event. An event with an unknown field is an error, and nothing is done.
    pub(crate) fn parse(event: Value) -> Result<Self, Failure> {
        let event: Event = serde_json::from_value(event).map_err(|error| Failure::Request(error.to_string()))?;
        let adoption = Adoption {
            from: event.from,
            dry_run: event.dry_run.unwrap_or_default(),
            leave_unfit: event.leave_unfit.unwrap_or_default(),
        };
        match (event.action, event.to) {
            (Action::Adopt, None) => Ok(Self::Adopt(adoption)),
            _ if adoption != Adoption::default() => {
                Err(Failure::Request("`from`, `dry_run` and `leave_unfit` are `adopt`'s".into()))
            }
            (Action::Up, to) => Ok(Self::Up { to }),
            (Action::Down, Some(version)) => Ok(Self::DownTo(version)),
            (Action::Status, None) => Ok(Self::Status),
            // Lambda may send an event again when nobody waited for its answer. The second time must do nothing.
            (Action::Down, None) => Err(Failure::Request("`down` needs `to`, the version to stop at".into())),
            (Action::Status | Action::Adopt, Some(_)) => Err(Failure::Request("only `up` and `down` take `to`".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_understood_or_refused() {
        let parse = |event| Request::parse(event).ok();
        assert_eq!(parse(json!({"action": "up"})), Some(Request::Up { to: None }));
        assert_eq!(parse(json!({"action": "up", "to": 2})), Some(Request::Up { to: Some(2) }));
        assert_eq!(parse(json!({"action": "down", "to": 0})), Some(Request::DownTo(0)));
        assert_eq!(parse(json!({"action": "status"})), Some(Request::Status));
        let adoption = Adoption { from: Some("old.task".into()), dry_run: true, leave_unfit: false };
        let event = json!({"action": "adopt", "from": "old.task", "dry_run": true});
        assert_eq!(parse(event), Some(Request::Adopt(adoption)));
        for wrong in [
            json!({"action": "adopt", "to": 1}),
            json!({"action": "adopt", "dry_run": "yes"}),
            json!({"action": "adopt", "dryRun": true}),
            json!({"action": "up", "dry_run": true}),
            json!({"action": "down", "to": 0, "from": "task"}),
            json!(null),
            json!({}),
            json!({"action": "drop"}),
            json!({"action": "up", "steps": 1}),
            json!({"action": "up", "tо": 1}),
            json!({"action": "down"}),
            json!({"action": "down", "steps": 1}),
            json!({"action": "down", "steps": 1, "to": 1}),
            json!({"action": "status", "to": 1}),
        ] {
            assert_eq!(parse(wrong.clone()), None, "{wrong}");
        }
    }
}
