//! The harness of the tests. It runs the real functions as Lambda does, and calls them as API Gateway does.
//!
//! An [`Api`] is a separate database, and the functions over it, which start when they are first called. The
//! functions are processes of the binaries in `target/`, each behind a [Runtime API](runtime) of this harness. They
//! are called through a [`gateway`] that reads its routes from `template.yaml`.

pub mod better_auth;
pub mod fleet;
pub mod gateway;
pub mod http_server;
pub mod identity;
pub mod issuer;
pub mod pgbouncer;
pub mod postgres;
pub mod proxy;
pub mod random;
pub mod runtime;
pub mod token;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    gateway::{Gateway, Style},
    identity::Identity,
    postgres::Database,
    runtime::Function,
};

/// The secret that the functions and the tests share.
pub const SECRET: &str = "a-secret-of-the-tests-0123456789abcdef";

/// The origins that may call. The contract's vectors assume these.
pub const CORS_ORIGINS: &str = "http://localhost:3000,https://app.example.com";

/// The root of the repository.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of a file of the repository.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The binary of a function, which is in the target folder of this program.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let folder = program.parent().expect("target/debug");
    // Cargo puts tests one folder below the other binaries.
    let folder = if folder.ends_with("deps") { folder.parent().expect("target/debug") } else { folder };
    let binary = folder.join(name);
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace`, or `cargo xtask test`", binary.display());
    binary
}

/// A request to the API.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query as a client sends them.
    pub target: String,
    /// The headers in the order and case they are sent.
    pub headers: Vec<(String, String)>,
    /// The body. `None` means that there is no body, not even an empty one.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// A request without headers or body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), ..Self::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds the token of a user, valid for an hour.
    #[must_use]
    pub fn user(self, id: i32) -> Self {
        self.bearer(&token::of(id))
    }

    /// Adds a token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Adds a JSON body.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)]
    pub fn json(self, body: Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    /// Adds a body.
    #[must_use]
    pub fn raw(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u64,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// The body in bytes.
    pub bytes: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The path and query that `Link` gives for the next page.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        let (target, relation) = self.header("link")?.split_once(">; ").expect("a Link header");
        assert_eq!(relation, "rel=\"next\"");
        target.strip_prefix('<').map(str::to_owned)
    }
}

/// An API for one test.
pub struct Api {
    /// The API's database.
    pub database: Database,
    gateway: Gateway,
    environment: BTreeMap<String, String>,
    processes: usize,
    functions: Mutex<HashMap<String, Arc<Function>>>,
}

impl Api {
    /// An API over a new database with the schema and no rows.
    pub async fn new() -> Self {
        Self::of(Identity::DEFAULT).await
    }

    /// An API with this kind of users.
    pub async fn of(identity: Identity) -> Self {
        let database = Database::migrated_for(identity).await;
        let url = database.url();
        Self::over(database, &url)
    }

    /// An API that reaches its database at this URL.
    #[must_use]
    pub fn over(database: Database, url: &str) -> Self {
        let environment = [("DATABASE_URL", url), ("BETTER_AUTH_SECRET", SECRET), ("CORS_ORIGINS", CORS_ORIGINS)];
        let environment = environment.into_iter().chain(database.identity.variables());
        Self {
            gateway: Gateway::of_template(Style::Aws),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            database,
            processes: 1,
            functions: Mutex::default(),
        }
    }

    /// Sets an environment variable of the functions.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Accepts tokens that are signed with this issuer's keys, and no others.
    #[must_use]
    pub fn trusting(mut self, issuer: &str) -> Self {
        self.environment.remove("BETTER_AUTH_SECRET");
        self.with("BETTER_AUTH_URL", issuer)
    }

    /// Sends events as `cargo lambda watch` does and not as AWS does.
    #[must_use]
    pub fn emulated(mut self) -> Self {
        self.gateway = Gateway::of_template(Style::CargoLambda);
        self
    }

    /// Runs this number of processes of each function, so that as many requests run at once.
    #[must_use]
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = processes;
        self
    }

    /// The function with this name. Starts it first, if it does not run.
    pub async fn function(&self, name: &str) -> Arc<Function> {
        let mut functions = self.functions.lock().await;
        if let Some(function) = functions.get(name) {
            return Arc::clone(function);
        }
        let function = Arc::new(Function::start(name, &self.environment, self.processes).await);
        functions.insert(name.into(), Arc::clone(&function));
        function
    }

    /// Sends a request and waits for its answer.
    pub async fn send(&self, request: Request) -> Response {
        let (name, event) = self.gateway.event(&request);
        let payload = self.function(&name).await.invoke(&event).await;
        answer(&payload.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.target)))
    }

    /// Every line that the functions wrote. Lines of JSON are parsed.
    pub async fn log(&self) -> Vec<Value> {
        let functions = self.functions.lock().await;
        let mut lines = Vec::new();
        for function in functions.values() {
            lines.extend(function.complete_log().await);
        }
        lines.into_iter().map(|line| serde_json::from_str(&line).unwrap_or(Value::String(line))).collect()
    }
}

/// Runs `up` on the database at `url`, with additional variables.
///
/// # Errors
/// The function's error.
pub async fn migrate(url: &str, variables: &[(&str, &str)]) -> Result<Value, Value> {
    migrate_as(url, variables, &json!({ "action": "up" })).await
}

/// As [`migrate`], with another event.
///
/// # Errors
/// As [`migrate`].
pub async fn migrate_as(url: &str, variables: &[(&str, &str)], event: &Value) -> Result<Value, Value> {
    let own = [("DATABASE_URL", url)];
    let all = own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Function::start("migrate", &all.collect(), 1).await.invoke(event).await
}

/// As [`migrate_as`], without additional variables.
///
/// # Errors
/// As [`migrate`].
pub async fn migrate_with(url: &str, event: &Value) -> Result<Value, Value> {
    migrate_as(url, &[], event).await
}

/// The response that a client gets for a function's payload.
fn answer(payload: &Value) -> Response {
    let body = payload["body"].as_str().unwrap_or_default();
    let body = if payload["isBase64Encoded"] == true {
        STANDARD.decode(body).expect("base64")
    } else {
        body.as_bytes().to_vec()
    };
    let headers = payload["headers"].as_object().into_iter().flatten();
    Response {
        status: payload["statusCode"].as_u64().expect("a status code"),
        headers: headers
            .map(|(name, value)| (name.clone(), value.as_str().expect("a header's value").to_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body,
    }
}
