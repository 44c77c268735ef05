//! Translates the vectors for users with other ids than the recorded ones.

use serde_json::{Value, json};
use shared::auth::UserIds;
use tests::identity::Identity;

use super::data::{Case, Contract, Token};

/// Translates every user id.
pub fn contract(contract: &mut Contract, identity: Identity) {
    if identity.ids == UserIds::Integer {
        return;
    }
    for user in &mut contract.fixture.users {
        user[0] = id(&user[0], identity);
    }
    let place = contract.fixture.task_columns.iter().position(|column| column == "user_id").expect("user_id");
    for task in &mut contract.fixture.tasks {
        task[place] = id(&task[place], identity);
    }
    for one in contract.tokens.values_mut() {
        token(one, identity);
    }
    for one in &mut contract.cases {
        case(one, identity);
    }
}

fn token(token: &mut Token, identity: Identity) {
    if let Some(subject) = token.claims.as_mut().and_then(|claims| claims.get_mut("sub"))
        && let Some(user) = subject.as_str().and_then(user)
    {
        *subject = identity.id(user).into();
    }
    if let Some(raw) = &mut token.claims_raw {
        *raw = raw.replace("\"101\"", &json!(identity.id(101)).to_string());
    }
}

fn case(case: &mut Case, identity: Identity) {
    case.request.path = path(&case.request.path, identity);
    let response = &mut case.response;
    if let Some(location) = response.headers.get_mut("location") {
        *location = location.replace("/api/101/", &format!("/api/{}/", identity.in_path(101)));
    }
    let errors = response.body.as_ref().and_then(|body| body["detail"].as_array());
    // An id that was not an integer is another user's.
    if errors.into_iter().flatten().any(|error| error["loc"] == json!(["path", "user_id"])) {
        response.status = 403;
        response.body = Some(json!({ "detail": "Not authorized" }));
    }
    if let Some(body) = &mut response.body {
        values(body, identity);
    }
    values(&mut response.db_changes, identity);
    if let Some(users) = response.db_changes.get_mut("user").and_then(Value::as_object_mut) {
        *users = std::mem::take(users)
            .into_iter()
            .map(|(key, row)| (user(&key).map_or(key, |user| identity.id(user)), row))
            .collect();
    }
}

/// Translates the ids in a body or in rows: `user_id`, and the `id` of an object with an e-mail address.
fn values(value: &mut Value, identity: Identity) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| values(item, identity)),
        Value::Object(fields) => {
            let is_user = fields.contains_key("email");
            for (name, field) in fields {
                if name == "user_id" || (is_user && name == "id") {
                    *field = id(field, identity);
                } else if name != "input" {
                    values(field, identity);
                }
            }
        }
        _ => {}
    }
}

fn path(path: &str, identity: Identity) -> String {
    let Some((segment, rest)) = path.strip_prefix("/api/").and_then(|rest| rest.split_once('/')) else {
        return path.to_owned();
    };
    user(segment).map_or_else(|| path.to_owned(), |user| format!("/api/{}/{rest}", identity.in_path(user)))
}

fn id(value: &Value, identity: Identity) -> Value {
    value.as_i64().and_then(|user| user.try_into().ok()).map_or_else(|| value.clone(), |user| identity.json(user))
}

/// The recorded API's user with this id, if the text is an id.
fn user(text: &str) -> Option<i32> {
    text.parse().ok().filter(|user: &i32| *user > 0 && user.to_string() == text)
}
