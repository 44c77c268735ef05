//! Authorization: calls every route of the route table as every kind of caller, with every kind of id.

use serde_json::{Value, json};
use shared::routes::{Access, ROUTES, Route};
use tests::{
    Api, Request, Response,
    identity::{Identity, Users},
    token,
};

const OWN: i32 = 1;
const OTHER: i32 = 2;
const DELETED: i32 = 3;

/// The caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Expired,
    Deleted,
    /// User [`OTHER`], on the paths of [`OWN`].
    Another,
    Owner,
}

/// The task in the owner's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Own,
    Others,
    Unknown,
    Overflowing,
}

fn token_of(who: Who, identity: Identity) -> Option<String> {
    match who {
        Who::Nobody => None,
        Who::Expired => Some(token::with(&json!({ "sub": identity.id(OWN), "exp": token::now() - 60 }))),
        Who::Deleted => Some(identity.token(DELETED)),
        Who::Another => Some(identity.token(OTHER)),
        Who::Owner => Some(identity.token(OWN)),
    }
}

/// The status that a route must answer with.
fn expected(route: &Route, who: Who, which: Which, identity: Identity) -> u64 {
    let has = |parameter| route.path.contains(parameter);
    let is_without_users = identity.users == Users::None;
    // Whose task the path names, of the callers who exist.
    let of_task = match which {
        Which::Own => Some(Who::Owner),
        Which::Others => Some(Who::Another),
        Which::Unknown | Which::Overflowing => None,
    };
    match who {
        _ if route.access == Access::Public => 200,
        _ if is_without_users && route.path.starts_with("/api/users/me") => 404,
        Who::Nobody | Who::Expired => 401,
        // Without a users table, every user that a token names counts as existing.
        Who::Deleted if !is_without_users => 401,
        Who::Another | Who::Deleted if has("{user_id}") => 403,
        _ if has("{id}") && of_task.is_none() => 404,
        _ if has("{id}") && of_task != Some(who) => 403,
        _ if route.method == "POST" => 201,
        _ => 200,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_on_everything() {
    let matrices = Identity::ALL.map(|identity| tokio::spawn(matrix(identity)));
    for matrix in matrices {
        matrix.await.expect("a matrix");
    }
}

async fn matrix(identity: Identity) {
    let api = Api::of(identity).await;
    for route in ROUTES {
        for who in [Who::Nobody, Who::Expired, Who::Deleted, Who::Another, Who::Owner] {
            for which in [Which::Own, Which::Others, Which::Unknown, Which::Overflowing] {
                if which != Which::Own && !route.path.contains("{id}") {
                    continue;
                }
                let response = try_one(&api, route, who, which).await;
                let expected = expected(route, who, which, identity);
                assert_eq!(response.status, expected, "{identity:?} {route:?} {who:?} {which:?}: {}", response.body);
            }
        }
    }
}

/// Sends one request with fresh rows. A refused request must not change the rows.
async fn try_one(api: &Api, route: &Route, who: Who, which: Which) -> Response {
    let identity = api.database.identity;
    api.database.clear().await;
    api.database.users(&[OWN, OTHER]).await;
    let own = api.database.task(OWN, "own").await;
    let others = api.database.task(OTHER, "others'").await;
    let before = rows(api).await;
    let id = match which {
        Which::Own => own.to_string(),
        Which::Others => others.to_string(),
        Which::Unknown => "999999999".into(),
        Which::Overflowing => "99999999999999999999999999999999999999999999".into(),
    };
    let path = route.path.replace("{user_id}", &identity.in_path(OWN)).replace("{id}", &id);
    let mut request = Request::new(route.method, &path);
    if let Some(token) = token_of(who, identity) {
        request = request.header("Authorization", &format!("Bearer {token}"));
    }
    if ["POST", "PUT", "PATCH"].contains(&route.method) {
        request = request.json(json!({ "title": "changed", "name": "changed" }));
    }
    let response = api.send(request).await;
    if response.status >= 400 {
        assert_eq!(rows(api).await, before, "{identity:?} {route:?} {who:?} {which:?} refused and changed rows");
    }
    response
}

async fn rows(api: &Api) -> Value {
    let users = api.database.identity.table().unwrap_or("task_owner");
    let sql = format!(
        "SELECT (SELECT json_agg(u ORDER BY u::text) FROM {users} u)::text || (SELECT json_agg(t ORDER BY id) FROM task t)::text"
    );
    api.database.value::<Option<String>>(&sql).await.into()
}

/// A path without a user is the caller's, whoever that is.
#[tokio::test]
async fn a_path_without_a_user_is_the_callers() {
    for identity in [Identity::DEFAULT, Identity { users: Users::None, ..Identity::DEFAULT }] {
        let api = Api::of(identity).await;
        api.database.users(&[OWN, OTHER]).await;
        let create = |user, title| Request::new("POST", "/api/tasks").user(user).json(json!({ "title": title }));
        let (own, others) = (api.send(create(OWN, "own")).await, api.send(create(OTHER, "others'")).await);
        assert_eq!((own.json()["user_id"].clone(), others.json()["user_id"].clone()), (json!(OWN), json!(OTHER)));
        let (id, others) = (own.json()["id"].clone(), others.json()["id"].clone());
        assert_eq!(own.header("location"), Some(format!("/api/1/tasks/{id}").as_str()));
        let list = api.send(Request::new("GET", "/api/tasks?limit=1").user(OWN)).await;
        assert_eq!(list.json()[0]["title"], "own");
        assert_eq!((list.json().as_array().unwrap().len(), list.next()), (1, None));
        for (method, path, status) in [
            ("GET", format!("/api/tasks/{others}"), 403),
            ("DELETE", format!("/api/tasks/{others}"), 403),
            ("PATCH", format!("/api/tasks/{others}/complete"), 403),
            ("GET", "/api/tasks/x".into(), 422),
            ("GET", "/api/tasks/".into(), 307),
            ("PATCH", format!("/api/tasks/{id}"), 405),
            ("DELETE", "/api/tasks".into(), 405),
            ("HEAD", format!("/api/tasks/{id}"), 200),
        ] {
            let answer = api.send(Request::new(method, &path).user(OWN)).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        }
        assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 2);
    }
}

#[tokio::test]
async fn a_user_id_past_the_largest_is_somebody_elses() {
    let api = Api::new().await;
    api.database.users(&[OWN]).await;
    for id in ["2147483648", "4294967297", "18446744073709551617", "340282366920938463463374607431768211457"] {
        // The last three are 1 modulo 2^32, 2^64 and 2^128.
        let response = api.send(Request::new("GET", &format!("/api/{id}/tasks")).user(OWN)).await;
        assert_eq!(response.status, 403, "{id}");
    }
}

#[tokio::test]
async fn deleting_me_takes_everything_along_and_nothing_else() {
    let api = Api::new().await;
    api.database.users(&[OWN, OTHER]).await;
    api.database
        .execute(
            r#"CREATE TABLE session (id INTEGER PRIMARY KEY, "userId" INTEGER REFERENCES "user"(id) ON DELETE CASCADE);
               INSERT INTO session VALUES (1, 1), (2, 2)"#,
        )
        .await;
    api.database.task(OWN, "own").await;
    api.database.task(OTHER, "others'").await;
    let response = api.send(Request::new("DELETE", "/api/users/me").user(OWN)).await;
    assert_eq!((response.status, response.json()), (200, json!({ "message": "User deleted" })));
    for table in [r#""user""#, "task", "session"] {
        assert_eq!(api.database.value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
    }
    assert_eq!(api.send(Request::new("DELETE", "/api/users/me").user(OWN)).await.status, 401);
}

#[tokio::test]
async fn an_issuer_pins_iss_and_aud() {
    let api = Api::new().await.with("BETTER_AUTH_URL", "https://auth.example.com/api/auth");
    api.database.users(&[OWN]).await;
    let issuer = "https://auth.example.com";
    let good = [json!(issuer), json!(["other", issuer])];
    let claims = |iss: Value, aud: Value| json!({ "sub": "1", "exp": token::now() + 60, "iss": iss, "aud": aud });
    let status = async |claims: Value| {
        let bearer = format!("Bearer {}", token::with(&claims));
        api.send(Request::new("GET", "/api/1/tasks").header("Authorization", &bearer)).await.status
    };
    for aud in good {
        assert_eq!(status(claims(json!(issuer), aud)).await, 200);
    }
    for (iss, aud) in [
        (json!("https://evil.example.com"), json!(issuer)),
        (json!(issuer), json!("better-auth:session-cache")),
        (json!(issuer), json!([])),
        (json!(issuer), Value::Null),
        (Value::Null, json!(issuer)),
        (json!("https://auth.example.com/"), json!(issuer)),
    ] {
        assert_eq!(status(claims(iss.clone(), aud.clone())).await, 401, "{iss} {aud}");
    }
    assert_eq!(status(json!({ "sub": "1", "exp": token::now() + 60 })).await, 401);
}

#[tokio::test]
async fn clocks_may_differ_by_five_seconds() {
    let api = Api::new().await;
    api.database.users(&[OWN]).await;
    let status = async |exp: i64, nbf: i64| {
        let claims = json!({ "sub": "1", "exp": token::now() + exp, "nbf": token::now() + nbf });
        let bearer = format!("Bearer {}", token::with(&claims));
        api.send(Request::new("GET", "/api/1/tasks").header("Authorization", &bearer)).await.status
    };
    assert_eq!(status(-2, 0).await, 200);
    assert_eq!(status(-8, 0).await, 401);
    assert_eq!(status(60, 3).await, 200);
    assert_eq!(status(60, 9).await, 401);
}

#[tokio::test]
async fn a_token_is_no_longer_than_8_kib() {
    let api = Api::new().await;
    api.database.users(&[OWN]).await;
    let status = async |length: usize| {
        let token = token::with(&json!({ "sub": "1", "exp": token::now() + 60, "more": "x".repeat(length) }));
        api.send(Request::new("GET", "/api/1/tasks").bearer(&token)).await.status
    };
    assert_eq!((status(5000).await, status(7000).await), (200, 401));
}
