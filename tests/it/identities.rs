//! Users with ids of every kind, in Better Auth's table, in another table, and in no table: what is accepted, what
//! is refused, and what `up` reports when the database does not match the configuration.

use serde_json::{Value, json};
use shared::auth::UserIds;
use tests::{
    Api, Request, Response, SECRET,
    identity::{Identity, Users},
    postgres::Database,
    token,
};

const TEXT: Identity = Identity { ids: UserIds::Text, users: Users::BetterAuth };

/// Every operation, from the first task to the deleted user.
#[tokio::test]
async fn every_operation_works_for_every_kind_of_users() {
    for identity in Identity::ALL {
        let api = Api::of(identity).await;
        api.database.users(&[1, 2]).await;
        let others = api.database.task(2, "others'").await;
        let (path, token) = (format!("/api/{}/tasks", identity.in_path(1)), identity.token(1));
        let send = async |request: Request| api.send(request.bearer(&token)).await;
        let new = || Request::new("POST", &path).json(json!({ "title": "own" })).header("Idempotency-Key", "k");
        let created = send(new()).await;
        assert_eq!((created.status, &created.json()["user_id"]), (201, &identity.json(1)), "{identity:?}: {created:?}");
        assert_eq!(send(new()).await.json(), created.json(), "{identity:?}");
        let location = created.header("location").unwrap().to_owned();
        assert_eq!(location, format!("{path}/{}", created.json()["id"]), "{identity:?}");
        let put = Request::new("PUT", &location).json(json!({ "title": "changed" }));
        assert_eq!(send(put).await.json()["title"], "changed", "{identity:?}");
        assert_eq!(send(Request::new("PATCH", &format!("{location}/complete"))).await.json()["completed"], true);
        send(Request::new("POST", &path).json(json!({ "title": "second" }))).await;
        let first = send(Request::new("GET", &format!("{path}?limit=1&sort=-title&q=c"))).await;
        let second = send(Request::new("GET", &first.next().unwrap())).await;
        let titles = [first, second].map(|page| page.json()[0]["title"].clone());
        assert_eq!(titles, [json!("second"), json!("changed")], "{identity:?}");
        assert_eq!(send(Request::new("GET", &format!("{path}/{others}"))).await.status, 403, "{identity:?}");
        assert_eq!(send(Request::new("DELETE", &location)).await.status, 200, "{identity:?}");
        assert_eq!(api.send(Request::new("GET", "/health")).await.status, 200, "{identity:?}");
        me(&api, identity, send).await;
        assert_eq!(api.database.value::<i64>("SELECT count(*) FROM task").await, 1, "{identity:?}");
    }
}

/// The routes of the caller. The last one deletes the caller.
async fn me(api: &Api, identity: Identity, send: impl AsyncFn(Request) -> Response) {
    let get = async || send(Request::new("GET", "/api/users/me")).await;
    if identity.users == Users::None {
        for method in ["GET", "PATCH", "DELETE", "POST"] {
            let answer = send(Request::new(method, "/api/users/me").json(json!({ "name": "new" }))).await;
            assert_eq!((answer.status, answer.json()), (404, json!({ "detail": "Not Found" })), "{method}");
        }
        api.database.execute(&format!("DELETE FROM task_owner WHERE user_id = {}", identity.sql(1))).await;
        return;
    }
    let user = get().await.json();
    assert_eq!((&user["id"], &user["email"]), (&identity.json(1), &json!("user1@example.com")), "{identity:?}");
    let rename = Request::new("PATCH", "/api/users/me").json(json!({ "name": "new" }));
    assert_eq!(send(rename).await.json()["name"], "new", "{identity:?}");
    if identity.users == Users::Another {
        assert_eq!((&user["image"], &user["created_at"]), (&Value::Null, &Value::Null), "no column of the table");
        for wrong in [json!({ "image": "x" }), json!({ "name": "n".repeat(51) })] {
            let answer = send(Request::new("PATCH", "/api/users/me").json(wrong)).await;
            assert_eq!((answer.status, &answer.json()["detail"][0]["type"]), (422, &json!("value_error")));
        }
        assert_eq!(get().await.json()["name"], "new");
        let (one, kind) = (identity.sql(1), identity.ids.sql_type());
        api.database
            .execute(&format!(
                "CREATE TABLE invoice (user_id {kind} REFERENCES accounts.\"People\"); INSERT INTO invoice VALUES ({one})"
            ))
            .await;
        let kept = send(Request::new("DELETE", "/api/users/me")).await;
        assert_eq!(kept.status, 409, "{kept:?}");
        assert_eq!(get().await.status, 200);
        api.database.execute("TRUNCATE invoice").await;
    }
    assert_eq!(send(Request::new("DELETE", "/api/users/me")).await.status, 200, "{identity:?}");
    assert_eq!(get().await.status, 401, "{identity:?}");
}

/// The description shows the kind of ids and the routes of the deployment.
#[tokio::test]
async fn the_description_is_of_this_deployment() {
    for identity in Identity::ALL {
        let api = Api::of(identity).await;
        let document = api.send(Request::new("GET", "/openapi.json")).await.json();
        let id = &document["components"]["schemas"]["UserId"];
        let expected = match identity.ids {
            UserIds::Integer => ("integer", json!("int32")),
            UserIds::Text => ("string", Value::Null),
            UserIds::Uuid => ("string", json!("uuid")),
        };
        assert_eq!((id["type"].as_str().unwrap(), id["format"].clone()), expected);
        let has_users = document["paths"]["/api/users/me"].is_object();
        assert_eq!(has_users, identity.users != Users::None);
        let name = &document["components"]["schemas"]["User"]["properties"]["name"]["type"];
        assert_eq!(name.is_array(), identity.users == Users::Another, "{name}");
        // Every reference resolves.
        for reference in document.to_string().split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{identity:?} {pointer}");
        }
    }
}

/// Ids that no user has, and ids that only look like another user's.
#[tokio::test]
async fn strange_ids_let_nobody_in() {
    let rows = async |api: &Api| api.database.value::<i64>("SELECT count(*) FROM task").await;
    let api = Api::of(TEXT).await;
    let (e_acute, combined) = ("é", "e\u{301}");
    for id in ["alice", "007", e_acute, "😀", "a/b"] {
        let insert =
            format!(r#"INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('{id}', 'x', '{id}', TRUE)"#);
        api.database.execute(&insert).await;
    }
    let create = async |subject: Value, path: &str| {
        let token = token::with(&json!({ "sub": subject, "exp": token::now() + 60 }));
        let request = Request::new("POST", &format!("/api/{path}/tasks")).json(json!({ "title": "x" }));
        api.send(request.bearer(&token)).await.status
    };
    for (subject, path, status) in [
        (json!("alice"), "alice", 201),
        (json!("alice"), "%61lice", 201),
        (json!("alice"), "Alice", 403),
        (json!("Alice"), "Alice", 401),
        (json!("007"), "007", 201),
        (json!("007"), "7", 403),
        (json!("7"), "7", 401),
        (json!(7), "7", 401),
        (json!("é"), "%C3%A9", 201),
        (json!(combined), "e%CC%81", 401),
        (json!("é"), "e%CC%81", 403),
        (json!("😀"), "%F0%9F%98%80", 201),
        (json!("a/b"), "a%2Fb", 201),
        (json!(""), "alice", 401),
        (json!("alice\0"), "alice%00", 401),
        (json!("alice"), "alice%00", 403),
        (json!("alice "), "alice", 401),
        (json!(".."), "%2E%2E", 401),
        (json!("x".repeat(256)), "alice", 401),
        (json!("x".repeat(300)), &"x".repeat(300), 401),
        (json!("x".repeat(255)), &"x".repeat(255), 401),
        (json!(["alice"]), "alice", 401),
        (Value::Null, "null", 401),
        (json!("alice"), "%FF", 403),
        (json!("alice"), "1", 403),
    ] {
        let before = rows(&api).await;
        assert_eq!(create(subject.clone(), path).await, status, "{subject} {path:.50}");
        assert_eq!(rows(&api).await - before, i64::from(status == 201), "{subject}");
    }

    let api = Api::of(Identity { ids: UserIds::Uuid, ..TEXT }).await;
    api.database.users(&[10]).await;
    let id = api.database.identity.id(10);
    for (subject, path, status) in [
        (id.clone(), id.clone(), 200),
        (id.clone(), id.to_uppercase(), 403),
        (id.to_uppercase(), id.to_uppercase(), 401),
        (format!("{{{id}}}"), format!("%7B{id}%7D"), 401),
        (id.replace('-', ""), id.replace('-', ""), 401),
        (format!("urn:uuid:{id}"), id.clone(), 401),
        (id.clone(), "10".into(), 403),
        (id.clone(), "nonsense".into(), 403),
        ("10".into(), "10".into(), 401),
    ] {
        let token = token::with(&json!({ "sub": subject, "exp": token::now() + 60 }));
        let answer = api.send(Request::new("GET", &format!("/api/{path}/tasks")).bearer(&token)).await;
        assert_eq!(answer.status, status, "{subject} {path}");
    }
    // The log must not show who has text ids.
    let api = Api::of(TEXT).await;
    api.database.users(&[1]).await;
    api.send(Request::new("GET", &format!("/api/{}/tasks", TEXT.in_path(1))).bearer(&TEXT.token(1))).await;
    let log = json!(api.log().await).to_string();
    assert!(log.contains("sha256:") && !log.contains("ser 1"), "{log}");
}

/// Text ids are encoded in paths that an error quotes or a redirect keeps.
#[tokio::test]
async fn a_text_id_is_encoded_where_it_is_answered() {
    let api = Api::of(TEXT).await;
    api.database.users(&[1]).await;
    let path = format!("/api/{}/tasks", TEXT.in_path(1));
    let answer = api.send(Request::new("GET", &format!("{path}/")).bearer(&TEXT.token(1))).await;
    assert_eq!(answer.status, 307);
    let location = answer.header("location").unwrap();
    assert!(location.is_ascii() && !location.contains([' ', '"']), "{location}");
}

async fn refused(database: &Database, variables: &[(&str, &str)], expected: &str) {
    let error = tests::migrate(&database.url(), variables).await.unwrap_err();
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains(expected) && !message.contains('\n'), "{variables:?}: {message}");
}

/// When something does not fit, `up` says in one line what to set, and changes nothing.
#[tokio::test]
async fn up_says_what_does_not_fit() {
    let tables = "SELECT string_agg(c.oid::REGCLASS::TEXT, ' ' ORDER BY c.relname) FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
    for (sql, variables, expected) in [
        (
            "CREATE TABLE \"user\" (id TEXT PRIMARY KEY)",
            &[][..],
            "has text ids, and USER_IDS is integer: set USER_IDS to text",
        ),
        ("CREATE TABLE \"user\" (id UUID PRIMARY KEY)", &[("USER_IDS", "text")], "has uuid ids, and USER_IDS is text"),
        ("CREATE TABLE \"user\" (id SERIAL PRIMARY KEY)", &[("USER_IDS", "uuid")], "set USER_IDS to integer"),
        (
            "CREATE TABLE \"user\" (id INTEGER PRIMARY KEY, name TEXT)",
            &[],
            "has no column \"emailVerified\" or email_verified",
        ),
        ("SELECT 1", &[("USERS_TABLE", "users")], "there is no such table"),
        ("CREATE TABLE users (id INTEGER)", &[("USERS_TABLE", "users")], "no primary key or unique constraint on id"),
        ("CREATE TABLE users (uid INTEGER PRIMARY KEY)", &[("USERS_TABLE", "users")], "has no column id"),
        ("CREATE TABLE users (id NUMERIC PRIMARY KEY)", &[("USERS_TABLE", "users")], "has ids of the type numeric"),
        ("CREATE TABLE users (id CHAR(8) PRIMARY KEY)", &[("USERS_TABLE", "users")], "has ids of the type character"),
        ("CREATE VIEW users AS SELECT 1 AS id", &[("USERS_TABLE", "users")], "is not a table"),
        (
            "CREATE TABLE users (id INTEGER PRIMARY KEY DEFERRABLE)",
            &[("USERS_TABLE", "public.users")],
            "no primary key or unique constraint on id",
        ),
        (
            "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE users (id TEXT COLLATE blind PRIMARY KEY)",
            &[("USERS_TABLE", "users"), ("USER_IDS", "text")],
            "not deterministic",
        ),
    ] {
        let database = Database::empty().await;
        database.execute(sql).await;
        let before = database.value::<Option<String>>(tables).await;
        refused(&database, variables, expected).await;
        assert_eq!(database.value::<Option<String>>(tables).await, before, "{sql}");
    }
}

/// The configuration changes when there are tasks already.
#[tokio::test]
async fn up_says_what_does_not_fit_any_more() {
    let database = Database::migrated_for(Identity { ids: UserIds::Text, users: Users::None }).await;
    let text = ("USER_IDS", "text");
    refused(&database, &[("USERS_TABLE", "none")], "of users with text ids, and USER_IDS is integer").await;
    database.task(1, "x").await;
    database.task(2, "x").await;
    database.execute("CREATE TABLE people (id TEXT PRIMARY KEY)").await;
    let people = [text, ("USERS_TABLE", "people")];
    refused(&database, &people, "2 users who have tasks are not in the users table public.people").await;
    for user in [1, 2] {
        database.execute(&format!("INSERT INTO people VALUES ({})", database.identity.sql(user))).await;
    }
    tests::migrate(&database.url(), &people).await.unwrap();
    // From now on, the functions and the foreign key use that table.
    database.execute(&format!("DELETE FROM people WHERE id = {}", database.identity.sql(2))).await;
    assert_eq!(database.value::<i64>("SELECT count(*) FROM task").await, 1);
    let (identity, url) = (database.identity, database.url());
    let api = Api::over(database, &url).with("USERS_TABLE", "people");
    let status = async |user| {
        let request = Request::new("GET", &format!("/api/{}/tasks", identity.in_path(user)));
        api.send(request.bearer(&identity.token(user))).await.status
    };
    assert_eq!((status(1).await, status(2).await), (200, 401));
    tests::migrate(&url, &[text, ("USERS_TABLE", "none")]).await.unwrap();
    assert_eq!(status(2).await, 200);
    // After `down`, ids of another kind can be used.
    tests::migrate_with(&url, &json!({ "action": "down", "to": 0 })).await.unwrap();
    tests::migrate(&url, &[("USER_IDS", "uuid"), ("USERS_TABLE", "none")]).await.unwrap();
}

/// Tokens of applications that sign their own tokens, and tokens that only look like these.
#[tokio::test]
async fn the_user_may_be_in_another_claim() {
    let exp = token::now() + 60;
    for (claim, good, wrong) in [
        (
            "user_id",
            vec![json!({ "user_id": 1, "exp": exp }), json!({ "user_id": "1", "exp": exp, "email": "a@example.com" })],
            vec![json!({ "sub": "1", "exp": exp }), json!({ "user_id": 2, "exp": exp }), json!({ "user_id": 1 })],
        ),
        (
            "userId",
            vec![json!({ "userId": "1", "exp": exp, "role": "admin", "email": "a@example.com" })],
            vec![
                // A link in an e-mail of Better Auth, two links that change the address, and a session cookie.
                json!({ "userId": "1", "email": "a@example.com", "exp": exp, "iat": 1 }),
                json!({ "userId": "1", "email": "a@example.com", "updateTo": "b@example.com", "exp": exp }),
                json!({ "userId": "1", "email": "a@example.com", "requestType": "change-email-verification", "exp": exp }),
                json!({ "userId": "1", "session": { "userId": "1" }, "user": { "id": "1" }, "exp": exp }),
            ],
        ),
        (
            "user.id",
            vec![json!({ "user": { "id": 1 }, "exp": exp }), json!({ "user.id": "1", "exp": exp })],
            vec![
                json!({ "user": { "id": 1 }, "session": {}, "exp": exp }),
                json!({ "user": { "id": [1] }, "exp": exp }),
                json!({ "user": "1", "exp": exp }),
                json!({ "user": { "id": 1 }, "exp": exp, "aud": "others" }),
            ],
        ),
    ] {
        let api = Api::new().await.with("TOKEN_USER_CLAIM", claim);
        api.database.users(&[1, 2]).await;
        let status = async |claims: &Value| {
            api.send(Request::new("GET", "/api/1/tasks").bearer(&token::with(claims))).await.status
        };
        for claims in good {
            assert_eq!(status(&claims).await, 200, "{claim}: {claims}");
        }
        for claims in wrong {
            let expected = if claims["user_id"] == 2 { 403 } else { 401 };
            assert_eq!(status(&claims).await, expected, "{claim}: {claims}");
        }
    }
}

/// For a token with another audience, the log says which variable to set.
#[tokio::test]
async fn a_token_with_an_audience_names_the_variable_to_set() {
    let api = Api::new().await;
    api.database.users(&[1]).await;
    let token = token::signed(
        &json!({ "alg": "HS256" }),
        &json!({ "sub": "1", "exp": token::now() + 60, "aud": "https://app.example.com" }).to_string(),
        SECRET,
    );
    assert_eq!(api.send(Request::new("GET", "/api/1/tasks").bearer(&token)).await.status, 401);
    assert!(json!(api.log().await).to_string().contains("JWT_AUDIENCE"));
    let api = Api::new().await.with("JWT_AUDIENCE", "https://app.example.com");
    api.database.users(&[1]).await;
    assert_eq!(api.send(Request::new("GET", "/api/1/tasks").bearer(&token)).await.status, 200);
}
