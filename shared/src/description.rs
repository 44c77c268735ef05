//! `/openapi.json` for this deployment: with its kind of user ids and its users table.

use crate::{
    State,
    auth::UserIds,
    config::{ConfigError, Env, UsersTable},
    http::ConstantBody,
};
use serde_json::{Value, json};

/// The description for integer ids and Better Auth's users table.
const USUAL: &str = include_str!("../../openapi.json");

/// The description of this deployment's API.
pub struct Description(ConstantBody);

impl Description {
    /// The JSON document.
    #[must_use]
    pub fn body(&self) -> ConstantBody {
        self.0
    }

    /// The document for a deployment with this kind of ids and this users table. `usual` is the document for integer
    /// ids and Better Auth's table.
    #[must_use]
    pub fn describe(usual: &str, ids: UserIds, users: &UsersTable) -> String {
        let mut document: Value = serde_json::from_str(usual).unwrap_or_default();
        let id = match ids {
            UserIds::Integer => None,
            UserIds::Text => Some(json!({
                "type": "string", "minLength": 1, "maxLength": 255, "examples": ["gXTvwP0mXXaOxDGvxWzYGlPvw8XHYHqm"],
            })),
            UserIds::Uuid => Some(json!({
                "type": "string", "format": "uuid", "examples": ["0190163d-8694-739b-aea5-966c26f8ad91"],
            })),
        };
        if let (Some(id), Some(schema)) = (id, document.pointer_mut("/components/schemas/UserId")) {
            *schema = id;
        }
        match users {
            UsersTable::BetterAuth => {}
            UsersTable::Other { .. } => {
                let properties =
                    document.pointer_mut("/components/schemas/User/properties").and_then(Value::as_object_mut);
                for (name, schema) in properties.into_iter().flatten() {
                    // A field without a column in the table is null.
                    if let Some(kind) = schema.get_mut("type").filter(|kind| name != "id" && kind.is_string()) {
                        *kind = json!([kind.take(), "null"]);
                    }
                }
            }
            UsersTable::None => {
                let remove = |object: Option<&mut Value>, names: &[&str]| {
                    if let Some(object) = object.and_then(Value::as_object_mut) {
                        object.retain(|name, _| !names.contains(&name.as_str()));
                    }
                };
                remove(document.get_mut("paths"), &["/api/users/me"]);
                remove(document.pointer_mut("/components/schemas"), &["User", "UserChanges"]);
                if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
                    tags.retain(|tag| tag["name"] != "users");
                }
            }
        }
        document.to_string()
    }
}

impl State for Description {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let (ids, users) = (env.user_ids()?, env.users_table()?);
        if ids == UserIds::Integer && users.is_better_auths() {
            return Ok(Self(ConstantBody::text(USUAL)));
        }
        Ok(Self(ConstantBody::text(&Self::describe(USUAL, ids, &users))))
    }
}
