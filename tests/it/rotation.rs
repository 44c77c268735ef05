//! The steps in docs/operating.md for rotating the database's password. There are two logins, which may only call
//! functions. One of them always works, and no request fails while old and new versions take traffic.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use shared::db::RELEASE_SCHEMA;
use tests::{
    Request, SECRET,
    gateway::{Gateway, Style},
    postgres::Database,
    runtime::Function,
};
use tokio_postgres::NoTls;

/// Deploys a version of the functions with this login's URL.
async fn deploy(database: &Database, url: &str) -> BTreeMap<String, Function> {
    // The migrate function runs first, and lets the login call the functions.
    let migrate = BTreeMap::from([
        ("DATABASE_URL_UNPOOLED".to_owned(), database.url()),
        ("DATABASE_URL".to_owned(), url.to_owned()),
    ]);
    let report = Function::start("migrate", &migrate, 1).await.invoke(&json!({ "action": "up" })).await.unwrap();
    assert_eq!(report["functions"], "present", "{report}");
    let environment = BTreeMap::from([
        ("DATABASE_URL".to_owned(), url.to_owned()),
        ("BETTER_AUTH_SECRET".to_owned(), SECRET.to_owned()),
        ("CORS_ORIGINS".to_owned(), "https://app.example.com".to_owned()),
    ]);
    let mut functions = BTreeMap::new();
    for name in ["list-tasks", "create-task", "health"] {
        functions.insert(name.to_owned(), Function::start(name, &environment, 1).await);
    }
    functions
}

/// Requests of users, through an alias that leads to one version or to two.
struct Traffic {
    versions: tokio::sync::RwLock<Vec<Arc<BTreeMap<String, Function>>>>,
    sent: AtomicUsize,
    /// How often the old version has answered, and how often the other version.
    answered: [AtomicUsize; 2],
}

impl Traffic {
    /// Sends requests one after the other. Returns the answers that failed.
    async fn run(self: Arc<Self>) -> Vec<Value> {
        let gateway = Gateway::of_template(Style::Aws);
        let requests = [
            Request::new("GET", "/api/1/tasks?limit=1").user(1),
            Request::new("POST", "/api/1/tasks").user(1).json(json!({ "title": "x" })),
            Request::new("GET", "/health"),
        ];
        let mut failures = Vec::new();
        loop {
            let versions = self.versions.read().await.clone();
            if versions.is_empty() {
                return failures;
            }
            let number = self.sent.fetch_add(1, Ordering::Relaxed);
            let chosen = (number / requests.len()) % versions.len();
            let (function, event) = gateway.event(&requests[number % requests.len()]);
            let answer = versions[chosen][&function].invoke(&event).await.unwrap();
            if answer["statusCode"].as_u64().unwrap() >= 400 {
                failures.push(answer);
            }
            self.answered[chosen].fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn lead_to(&self, versions: Vec<Arc<BTreeMap<String, Function>>>) {
        *self.versions.write().await = versions;
        // Waits for some requests before the next step.
        let until = self.sent.load(Ordering::Relaxed) + 60;
        while self.sent.load(Ordering::Relaxed) < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A database with two logins that need a password, and a function for the URL of a login with a password.
async fn two_logins() -> (Database, impl Fn(&str, &str) -> String) {
    let database = Database::migrated().await;
    database.users(&[1]).await;
    let name = database.name().to_owned();
    // The tests' server asks members of this role for their password.
    let group =
        "DO $$ BEGIN CREATE ROLE needs_password; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
    database.execute(group).await;
    for login in ["a", "b"] {
        database
            .execute(&format!("CREATE ROLE {name}_{login} LOGIN PASSWORD 'old-{login}' IN ROLE needs_password"))
            .await;
    }
    let port = database.url().rsplit_once(':').unwrap().1.split_once('/').unwrap().0.to_owned();
    let url = move |login: &str, password: &str| {
        format!("postgres://{name}_{login}:{password}@127.0.0.1:{port}/{name}?sslmode=disable")
    };
    (database, url)
}

/// The logins must also be kept when a release is repaired: a function was changed, and `up` creates all of them
/// again.
#[tokio::test]
async fn functions_that_are_made_again_keep_the_logins_that_call_them() {
    let (database, url) = two_logins().await;
    let old = deploy(&database, &url("a", "old-a")).await;
    database.execute(&format!("DROP FUNCTION {RELEASE_SCHEMA}.health()")).await;
    let new = deploy(&database, &url("b", "old-b")).await;
    for version in [&old, &new] {
        let (function, event) = Gateway::of_template(Style::Aws).event(&Request::new("GET", "/health"));
        let answer = version[&function].invoke(&event).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_rotated_without_a_failed_request() {
    let (database, url) = two_logins().await;
    let name = database.name();
    let old = Arc::new(deploy(&database, &url("a", "old-a")).await);
    let traffic = Arc::new(Traffic {
        versions: vec![Arc::clone(&old)].into(),
        sent: AtomicUsize::new(0),
        answered: [const { AtomicUsize::new(0) }; 2],
    });
    let users: Vec<_> = (0..2).map(|_| tokio::spawn(Arc::clone(&traffic).run())).collect();
    traffic.lead_to(vec![Arc::clone(&old)]).await;

    // 1. The login that is not in use gets a new password, and the secret gets the URL of this login.
    database.execute(&format!("ALTER ROLE {name}_b PASSWORD 'new-b'")).await;
    // 2. A deployment uses the new version of the secret. Both versions take traffic, then only the new version.
    let new = Arc::new(deploy(&database, &url("b", "new-b")).await);
    traffic.lead_to(vec![Arc::clone(&old), Arc::clone(&new)]).await;
    // A rollback would lead here, and this still works.
    traffic.lead_to(vec![Arc::clone(&old)]).await;
    traffic.lead_to(vec![Arc::clone(&old), Arc::clone(&new)]).await;
    traffic.lead_to(vec![Arc::clone(&new)]).await;
    drop(old);
    // 3. The former login gets a new password, so that a leaked password is worthless.
    database.execute(&format!("ALTER ROLE {name}_a PASSWORD 'new-a'")).await;
    traffic.lead_to(vec![Arc::clone(&new)]).await;

    *traffic.versions.write().await = Vec::new();
    for user in users {
        let failures = user.await.unwrap();
        assert!(failures.is_empty(), "{} failures, the first one {}", failures.len(), failures[0]);
    }
    assert!(traffic.answered.iter().all(|answered| answered.load(Ordering::Relaxed) >= 30), "both took traffic");
    for (login, password, is_good) in [("a", "old-a", false), ("b", "old-b", false), ("b", "new-b", true)] {
        let connected = tokio_postgres::connect(&url(login, password), NoTls).await;
        assert_eq!(connected.is_ok(), is_good, "{login} with {password}");
    }
    // The login may call functions, and nothing else.
    let (client, connection) = tokio_postgres::connect(&url("b", "new-b"), NoTls).await.unwrap();
    tokio::spawn(connection);
    assert!(client.query("SELECT * FROM task_api.task", &[]).await.is_err());
}
