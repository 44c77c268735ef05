//! The API and a real Better Auth on the same database.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared::routes::{Access, ROUTES};
use tests::{
    Api, Request,
    better_auth::{BetterAuth, SECRET, User},
    postgres::Database,
};
use tokio::sync::RwLock;

/// An API and its issuer.
async fn both(variables: &[(&str, &str)]) -> (Api, BetterAuth) {
    let api = Api::new().await;
    let issuer = BetterAuth::start(&api.database, variables).await;
    let api = api.trusting(issuer.url());
    (api, issuer)
}

/// Creates a task and finds it in the list.
async fn works(api: &Api, user: &User, token: &str) {
    let tasks = format!("/api/{}/tasks", user.id);
    let created = api.send(Request::new("POST", &tasks).bearer(token).json(json!({ "title": "Signed in" }))).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let listed = api.send(Request::new("GET", &tasks).bearer(token)).await;
    assert_eq!((listed.status, listed.json()), (200, json!([created.json()])));
}

async fn status(api: &Api, user: &User, token: &str) -> u64 {
    api.send(Request::new("GET", &format!("/api/{}/tasks", user.id)).bearer(token)).await.status
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().expect("a header");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64")).expect("JSON")
}

#[tokio::test]
async fn whoever_signs_up_works_on_tasks_whatever_the_key() {
    for alg in ["EdDSA", "ES256", "RS256", "PS256"] {
        let (api, issuer) = both(&[("JWT_ALG", alg)]).await;
        let alice = issuer.sign_up("Alice").await;
        let token = issuer.token(&alice).await.unwrap();
        assert_eq!(header(&token)["alg"], alg);
        works(&api, &alice, &token).await;
        let bob = issuer.sign_up("Bob").await;
        assert_eq!(status(&api, &alice, &issuer.token(&bob).await.unwrap()).await, 403);
    }
}

#[tokio::test]
async fn with_the_shared_secret_too() {
    let api = Api::new().await;
    let issuer = BetterAuth::start(&api.database, &[("TOKENS", "hs256")]).await;
    let api = api.with("BETTER_AUTH_SECRET", SECRET).with("BETTER_AUTH_URL", issuer.url());
    let alice = issuer.sign_up("Alice").await;
    let token = issuer.token(&alice).await.unwrap();
    assert_eq!(header(&token)["alg"], "HS256");
    works(&api, &alice, &token).await;
}

/// Four clients fetch tokens, and use new and old ones, while the key changes three times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_the_key_under_requests_loses_none() {
    const CLIENTS: usize = 4;
    const EACH: usize = 300;
    let (api, issuer) = both(&[("JWKS_ROTATION_SECONDS", "86400")]).await;
    let alice = issuer.sign_up("Alice").await;
    let first = issuer.token(&alice).await.unwrap();
    let api = api.processes(CLIENTS);
    api.function("list-tasks").await;
    let shared = Arc::new((api, issuer, alice, RwLock::new(vec![first]), AtomicUsize::new(0)));
    let clients = (0..CLIENTS).map(|client| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let (api, issuer, alice, tokens, done) = &*shared;
            for request in 0..EACH {
                if request % 10 == 0 {
                    tokens.write().await.push(issuer.token(alice).await.unwrap());
                }
                let token = {
                    let tokens = tokens.read().await;
                    // The newest token, and in every third request an older one.
                    let at = if request % 3 == 0 { (request * 7 + client) % tokens.len() } else { tokens.len() - 1 };
                    tokens[at].clone()
                };
                assert_eq!(status(api, alice, &token).await, 200, "request {request} with {}", header(&token));
                let done = done.fetch_add(1, Ordering::SeqCst) + 1;
                if [1, 2, 3].map(|quarter| quarter * CLIENTS * EACH / 4).contains(&done) {
                    // The next token is signed with a new key.
                    api.database.execute(r#"UPDATE jwks SET "expiresAt" = now() - INTERVAL '1 second'"#).await;
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let (_, _, _, tokens, done) = &*shared;
    let keys: BTreeSet<_> = tokens.read().await.iter().map(|token| header(token)["kid"].to_string()).collect();
    assert!(keys.len() >= 4 && done.load(Ordering::SeqCst) == CLIENTS * EACH, "{keys:?}");
}

#[tokio::test]
async fn tokens_are_good_while_better_auth_is_down() {
    let (api, issuer) = both(&[]).await;
    let alice = issuer.sign_up("Alice").await;
    let token = issuer.token(&alice).await.unwrap();
    works(&api, &alice, &token).await;
    drop(issuer);
    assert_eq!(status(&api, &alice, &token).await, 200);
    // A function that starts only now does not have the keys.
    let get = Request::new("GET", "/api/users/me").bearer(&token);
    assert_eq!(api.send(get).await.status, 503);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_not_the_token() {
    let (api, issuer) = both(&[]).await;
    let alice = issuer.sign_up("Alice").await;
    let token = issuer.token(&alice).await.unwrap();
    issuer.sign_out(&alice).await;
    assert_eq!(issuer.token(&alice).await, Err(401));
    assert_eq!(status(&api, &alice, &token).await, 200);
}

#[tokio::test]
async fn an_expired_token_of_the_issuers_is_refused() {
    let (api, issuer) = both(&[("JWT_EXPIRES_IN", "-1m")]).await;
    let alice = issuer.sign_up("Alice").await;
    assert_eq!(status(&api, &alice, &issuer.token(&alice).await.unwrap()).await, 401);
}

#[tokio::test]
async fn an_account_deleted_at_better_auth_takes_its_tasks_and_is_401_everywhere() {
    let (api, issuer) = both(&[]).await;
    let (alice, bob) = (issuer.sign_up("Alice").await, issuer.sign_up("Bob").await);
    let token = issuer.token(&alice).await.unwrap();
    works(&api, &alice, &token).await;
    works(&api, &bob, &issuer.token(&bob).await.unwrap()).await;
    issuer.delete(&alice).await;
    for (owner, left) in [(&alice, 0), (&bob, 1)] {
        let count = format!("SELECT count(*) FROM task WHERE user_id = {}", owner.id);
        assert_eq!(api.database.value::<i64>(&count).await, left);
    }
    for route in ROUTES.iter().filter(|route| route.access == Access::User) {
        for owner in [&alice, &bob] {
            let path = route.path.replace("{user_id}", &owner.id).replace("{id}", "1");
            let request = Request::new(route.method, &path).bearer(&token).json(json!({ "title": "x", "name": "x" }));
            assert_eq!(api.send(request).await.status, 401, "{route:?}");
        }
    }
}

#[tokio::test]
async fn an_account_deleted_here_is_gone_at_better_auth() {
    let (api, issuer) = both(&[]).await;
    let alice = issuer.sign_up("Alice").await;
    let token = issuer.token(&alice).await.unwrap();
    works(&api, &alice, &token).await;
    assert_eq!(api.send(Request::new("DELETE", "/api/users/me").bearer(&token)).await.status, 200);
    assert_eq!(issuer.token(&alice).await, Err(401), "the session is gone");
    for table in [r#""user""#, "session", "account", "task"] {
        assert_eq!(api.database.value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    // The e-mail address can be used again.
    issuer.sign_up("Alice").await;
}

#[tokio::test]
async fn either_migration_may_run_first() {
    let database = Database::empty().await;
    let issuer = BetterAuth::start(&database, &[]).await;
    let alice = issuer.sign_up("Alice").await;
    let url = database.url();
    let api = Api::over(database, &url).trusting(issuer.url());
    api.function("migrate").await.invoke(&json!({ "action": "up" })).await.unwrap();
    works(&api, &alice, &issuer.token(&alice).await.unwrap()).await;
    // The tests above use the other order. Then both run again, when everything exists:
    let again = BetterAuth::start(&api.database, &[]).await;
    again.sign_up("Bob").await;
    api.function("migrate").await.invoke(&json!({ "action": "up" })).await.unwrap();
}
