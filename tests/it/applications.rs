//! Applications of each kind, from sign-in to a task. Each uses the settings that docs/users.md gives for its kind,
//! and tokens from the library that it uses. Tokens that only look right are refused.

use std::process::Stdio;

use serde_json::{Value, json};
use shared::auth::UserIds;
use tests::{
    Api, Request,
    better_auth::{self, BetterAuth},
    identity::{Identity, Users},
    postgres::Database,
    token,
};
use tokio::{io::AsyncWriteExt, process::Command};

/// Another secret than the tests' own, because these libraries sign with it.
const SECRET: &str = "an-application-of-the-tests-0123456789abcdef";

/// A library that applications sign tokens with.
#[derive(Debug, Clone, Copy)]
enum Library {
    PyJwt,
    PythonJose,
    Jose,
}

impl Library {
    /// Signs a token with these claims, as an application does.
    async fn sign(self, claims: &Value, secret: &str) -> String {
        let read = "import json, sys; claims, secret = json.load(sys.stdin)";
        let python = || std::env::var("TEST_ISSUERS").expect("TEST_ISSUERS, which `cargo xtask test` sets");
        let node = || std::env::var("TEST_NODE").unwrap_or_else(|_| "node".into());
        let (program, arguments) = match self {
            Self::PyJwt => (
                python(),
                vec!["-c".into(), format!("{read}; import jwt; print(jwt.encode(claims, secret, algorithm='HS256'))")],
            ),
            Self::PythonJose => (
                python(),
                vec![
                    "-c".into(),
                    format!("{read}; from jose import jwt; print(jwt.encode(claims, secret, algorithm='HS256'))"),
                ],
            ),
            Self::Jose => (
                node(),
                vec![
                    "--input-type=module".into(),
                    "--eval".into(),
                    "import { SignJWT } from 'jose';
                     import { readFileSync } from 'node:fs';
                     const [claims, secret] = JSON.parse(readFileSync(0));
                     const token = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setIssuedAt();
                     console.log(await token.sign(new TextEncoder().encode(secret)));"
                        .into(),
                ],
            ),
        };
        let mut child = Command::new(&program)
            .args(arguments)
            .current_dir(tests::root().join("examples/better-auth"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut input = child.stdin.take().unwrap();
        input.write_all(json!([claims, secret]).to_string().as_bytes()).await.unwrap();
        drop(input);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{self:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Creates a task with a token, and finds it in the list, by the path with the user and by that without.
async fn works(api: &Api, id: &str, token: &str) {
    let tasks = format!("/api/{id}/tasks");
    let created = api.send(Request::new("POST", &tasks).bearer(token).json(json!({ "title": "Signed in" }))).await;
    assert_eq!(created.status, 201, "{}", created.body);
    for tasks in [&tasks, "/api/tasks"] {
        let listed = api.send(Request::new("GET", tasks).bearer(token)).await;
        assert_eq!((listed.status, listed.json()), (200, json!([created.json()])), "{tasks}");
    }
}

async fn status(api: &Api, id: &str, token: &str) -> u64 {
    api.send(Request::new("GET", &format!("/api/{id}/tasks")).bearer(token)).await.status
}

/// A database with the users table of a FastAPI backend, after `up`.
async fn with_users_table(ids: UserIds) -> Api {
    let database = Database::empty().await;
    let kind = if ids == UserIds::Integer { "SERIAL" } else { "UUID DEFAULT gen_random_uuid()" };
    database
        .execute(&format!(
            "CREATE TABLE users (
                id {kind} PRIMARY KEY, email VARCHAR NOT NULL UNIQUE, name VARCHAR, hashed_password VARCHAR NOT NULL,
                created_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'utc')
            );
            INSERT INTO users (email, hashed_password) VALUES ('ada@example.com', 'x'), ('bob@example.com', 'x')"
        ))
        .await;
    let url = database.url();
    let settings = [("USER_IDS", ids.name()), ("USERS_TABLE", "users")];
    tests::migrate(&url, &settings).await.unwrap();
    let api = Api::over(database, &url).with("BETTER_AUTH_SECRET", SECRET).with("TOKEN_USER_CLAIM", "user_id");
    settings.into_iter().fold(api, |api, (name, value)| api.with(name, value))
}

#[tokio::test]
async fn better_auth_with_its_defaults() {
    let api = Api::of(Identity { ids: UserIds::Text, users: Users::BetterAuth }).await;
    let issuer = BetterAuth::start(&api.database, &[]).await;
    let api = api.trusting(issuer.url());
    let (ada, bob) = (issuer.sign_up("Ada").await, issuer.sign_up("Bob").await);
    assert_eq!(ada.id.len(), 32, "one of Better Auth's own ids");
    let token = issuer.token(&ada).await.unwrap();
    works(&api, &ada.id, &token).await;
    assert_eq!(status(&api, &bob.id, &token).await, 403);
    let me = api.send(Request::new("GET", "/api/users/me").bearer(&token)).await.json();
    assert_eq!((&me["id"], &me["email"]), (&json!(ada.id), &json!("ada@example.com")));
    // The token of the session, and a token of another issuer.
    assert_eq!(status(&api, &ada.id, &ada.session).await, 401);
    let claims = json!({ "sub": ada.id, "iss": issuer.url(), "aud": issuer.url(), "exp": token::now() + 60 });
    assert_eq!(status(&api, &ada.id, &Library::Jose.sign(&claims, better_auth::SECRET).await).await, 401);
    issuer.delete(&ada).await;
    assert_eq!(status(&api, &ada.id, &token).await, 401);
}

/// Better Auth signs users in, and a route of the application signs tokens with its secret.
#[tokio::test]
async fn better_auth_and_tokens_of_ones_own() {
    for is_named in [false, true] {
        let api = Api::of(Identity { ids: UserIds::Text, users: Users::BetterAuth }).await;
        let ada = BetterAuth::start(&api.database, &[]).await.sign_up("Ada").await;
        let mut api = api.with("BETTER_AUTH_SECRET", better_auth::SECRET);
        if is_named {
            api = api.with("JWT_ISSUER", "nextjs").with("JWT_AUDIENCE", "fastapi");
        }
        let plain = json!({ "sub": ada.id, "exp": token::now() + 60 });
        let named = json!({ "sub": ada.id, "exp": token::now() + 60, "iss": "nextjs", "aud": "fastapi" });
        let (own, other) = if is_named { (named, plain) } else { (plain, named) };
        works(&api, &ada.id, &Library::Jose.sign(&own, better_auth::SECRET).await).await;
        let other = Library::Jose.sign(&other, better_auth::SECRET).await;
        assert_eq!(status(&api, &ada.id, &other).await, 401, "{is_named}");
    }
}

#[tokio::test]
async fn better_auth_with_uuids() {
    let api = Api::of(Identity { ids: UserIds::Uuid, users: Users::BetterAuth }).await;
    let issuer = BetterAuth::start(&api.database, &[]).await;
    let api = api.trusting(issuer.url());
    let ada = issuer.sign_up("Ada").await;
    works(&api, &ada.id, &issuer.token(&ada).await.unwrap()).await;
}

/// Better Auth has created its table first.
#[tokio::test]
async fn better_auth_on_a_database_that_it_made() {
    for ids in UserIds::ALL {
        let mut database = Database::empty().await;
        database.identity = Identity { ids, users: Users::BetterAuth };
        let issuer = BetterAuth::start(&database, &[]).await;
        tests::migrate(&database.url(), &[("USER_IDS", ids.name())]).await.unwrap();
        let url = database.url();
        let api = Api::over(database, &url).trusting(issuer.url());
        let ada = issuer.sign_up("Ada").await;
        works(&api, &ada.id, &issuer.token(&ada).await.unwrap()).await;
    }
}

#[tokio::test]
async fn better_auth_with_the_shared_secret() {
    let api = Api::of(Identity { ids: UserIds::Text, users: Users::BetterAuth }).await;
    let issuer = BetterAuth::start(&api.database, &[("TOKENS", "hs256")]).await;
    let api = api.with("BETTER_AUTH_SECRET", better_auth::SECRET).with("BETTER_AUTH_URL", issuer.url());
    let ada = issuer.sign_up("Ada").await;
    works(&api, &ada.id, &issuer.token(&ada).await.unwrap()).await;
    let exp = token::now() + 60;
    for look_alike in [
        json!({ "sub": ada.id, "exp": exp }),
        json!({ "email": "ada@example.com", "userId": ada.id, "exp": exp }),
        json!({ "session": { "userId": ada.id }, "user": { "id": ada.id }, "updatedAt": 1, "exp": exp }),
    ] {
        let token = Library::Jose.sign(&look_alike, better_auth::SECRET).await;
        assert_eq!(status(&api, &ada.id, &token).await, 401, "{look_alike}");
    }
}

#[tokio::test]
async fn a_fastapi_that_signs_its_own_tokens_for_integer_ids() {
    for library in [Library::PyJwt, Library::PythonJose] {
        let api = with_users_table(UserIds::Integer).await;
        let exp = token::now() + 60;
        works(&api, "1", &library.sign(&json!({ "user_id": 1, "exp": exp, "email": "ada@example.com" }), SECRET).await)
            .await;
        for (look_alike, id, expected) in [
            (json!({ "user_id": 2, "exp": exp }), "1", 403),
            (json!({ "user_id": 3, "exp": exp }), "3", 401),
            (json!({ "user_id": 1, "exp": exp - 600 }), "1", 401),
            (json!({ "user_id": 1 }), "1", 401),
            (json!({ "user_id": true, "exp": exp }), "1", 401),
            (json!({ "user_id": "ada@example.com", "exp": exp }), "1", 401),
            (json!({ "sub": "1", "exp": exp }), "1", 401),
            (json!({ "user_id": 1, "exp": exp, "aud": "another" }), "1", 401),
        ] {
            let token = library.sign(&look_alike, SECRET).await;
            assert_eq!(status(&api, id, &token).await, expected, "{library:?} {look_alike}");
        }
        let foreign =
            library.sign(&json!({ "user_id": 1, "exp": exp }), "another-secret-of-the-tests-0123456789ab").await;
        assert_eq!(status(&api, "1", &foreign).await, 401);
    }
}

#[tokio::test]
async fn a_fastapi_that_signs_its_own_tokens_for_uuids() {
    for library in [Library::PyJwt, Library::PythonJose] {
        let api = with_users_table(UserIds::Uuid).await;
        let id: String = api.database.value("SELECT id::TEXT FROM users WHERE email LIKE 'ada%'").await;
        let exp = token::now() + 60;
        let token = library.sign(&json!({ "user_id": id, "exp": exp }), SECRET).await;
        works(&api, &id, &token).await;
        let me = api.send(Request::new("GET", "/api/users/me").bearer(&token)).await.json();
        assert_eq!((&me["id"], &me["name"], &me["updated_at"]), (&json!(id), &Value::Null, &Value::Null));
        let look_alike = library.sign(&json!({ "user_id": id.to_uppercase(), "exp": exp }), SECRET).await;
        assert_eq!(status(&api, &id, &look_alike).await, 401);
    }
}

#[tokio::test]
async fn a_nextjs_that_signs_with_jose_and_has_no_users_table() {
    let identity = Identity { ids: UserIds::Text, users: Users::None };
    let api = Api::of(identity).await.with("BETTER_AUTH_SECRET", SECRET).with("JWT_AUDIENCE", "tasks");
    let exp = token::now() + 60;
    let token = Library::Jose.sign(&json!({ "sub": "github|583231", "aud": "tasks", "exp": exp }), SECRET).await;
    works(&api, "github%7C583231", &token).await;
    assert_eq!(status(&api, "github%7C583232", &token).await, 403);
    for look_alike in [
        json!({ "sub": "github|583231", "exp": exp }),
        json!({ "sub": "github|583231", "aud": "another", "exp": exp }),
        json!({ "id": "github|583231", "aud": "tasks", "exp": exp }),
        json!({ "sub": 583_231, "aud": "tasks", "exp": exp }),
    ] {
        let token = Library::Jose.sign(&look_alike, SECRET).await;
        assert_eq!(status(&api, "github%7C583231", &token).await, 401, "{look_alike}");
    }
}
