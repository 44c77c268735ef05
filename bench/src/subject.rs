//! What is measured: each function with a request of its own, and its baseline.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, anyhow};
use devtools::{settings::Settings, token};
use tests::gateway::{Gateway, Style};

use crate::{
    binaries::Binaries,
    data::{BASELINE_UPDATED, COMPLETED, DELETED, Database, READER, UPDATED, WRITER},
    process::{Call, Launch, Process},
};

/// The baselines, by their name in the report: the runtime alone, and one plain statement besides.
pub(crate) const EMPTY: &str = "empty";
pub(crate) const LIST: &str = "one-query list";
pub(crate) const GET: &str = "one-query get";
pub(crate) const UPDATE: &str = "one-query update";
pub(crate) const INSERT: &str = "one-query insert";

/// The body of a task that is created or changed.
const TITLE: &str = r#"{"title":"Another title"}"#;

/// A secret that no function knows.
const WRONG_SECRET: &str = "another-secret-that-signs-no-good-token";

/// The keys that were used.
static KEYS: AtomicU64 = AtomicU64::new(0);

/// Something that can be called.
pub(crate) struct Subject {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// The name of its baseline; baselines have none.
    pub(crate) baseline: Option<&'static str>,
    /// The name of its artefact.
    pub(crate) binary: String,
    /// Whether it opens a connection when it starts.
    pub(crate) database: bool,
    pub(crate) launch: Launch,
    /// What it calls itself to the database.
    pub(crate) application_name: String,
    status: u16,
    payload: String,
    /// How often it was called.
    calls: i64,
}

/// A request of the report.
#[derive(Clone)]
struct Sample {
    name: &'static str,
    baseline: &'static str,
    user: i32,
    method: &'static str,
    target: String,
    body: Option<&'static str>,
    status: u16,
}

fn samples() -> Vec<Sample> {
    let read = |name, baseline, target: String| Sample {
        name,
        baseline,
        user: READER,
        method: "GET",
        target,
        body: None,
        status: 200,
    };
    let write = |name, method, target: String, body| Sample {
        method,
        user: WRITER,
        body,
        status: if method == "POST" { 201 } else { 200 },
        ..read(name, UPDATE, target)
    };
    let task = |id: i64| format!("/api/{WRITER}/tasks/{id}");
    let tasks = format!("/api/{READER}/tasks");
    vec![
        read("list-tasks", LIST, tasks.clone()),
        read("get-task", GET, format!("{tasks}/1")),
        write("update-task", "PUT", task(UPDATED), Some(TITLE)),
        Sample { baseline: INSERT, ..write("create-task", "POST", format!("/api/{WRITER}/tasks"), Some(TITLE)) },
        Sample { baseline: INSERT, ..write(KEYED, "POST", format!("/api/{WRITER}/tasks"), Some(TITLE)) },
        write("complete-task", "PATCH", format!("{}/complete", task(COMPLETED)), None),
        write("delete-task", "DELETE", task(DELETED), None),
        read("get-me", GET, "/api/users/me".into()),
        write("update-me", "PATCH", "/api/users/me".into(), Some(r#"{"name":"Another name"}"#)),
        read("health", GET, "/health".into()),
        read("docs", EMPTY, "/docs".into()),
        Sample { status: 404, ..read("not-found", EMPTY, "/nowhere".into()) },
        Sample { status: 401, ..read(REFUSED, EMPTY, tasks) },
    ]
}

/// create-task with an `Idempotency-Key`, another one each time.
const KEYED: &str = "create-task, key";
const KEY: &str = "key-of-call-0";

/// The list with a token that was signed with another secret.
pub(crate) const REFUSED: &str = "refused token";

/// The baselines and all functions over a database.
pub(crate) fn all(database: &Database, binaries: &Binaries) -> Result<Vec<Subject>> {
    // The event of a baseline is as long as that of a function.
    let gateway = Gateway::of_template(Style::Aws);
    let token = token::mint(&Settings::of_events(""), &READER.to_string(), 24)?;
    let (_, payload) = event(&gateway, "GET", "/api/1/tasks", &token, None, None);
    let baseline = |name, statement| Subject::baseline(name, statement, &payload, database, binaries);
    let mut subjects = vec![
        baseline(EMPTY, None)?,
        baseline(LIST, Some(("list", i64::from(READER))))?,
        baseline(GET, Some(("get", 1)))?,
        baseline(UPDATE, Some(("update", BASELINE_UPDATED)))?,
        baseline(INSERT, Some(("insert", i64::from(WRITER))))?,
    ];
    subjects.extend(functions(database, binaries)?);
    Ok(subjects)
}

/// All functions over a database.
pub(crate) fn functions(database: &Database, binaries: &Binaries) -> Result<Vec<Subject>> {
    let gateway = Gateway::of_template(Style::Aws);
    samples().iter().map(|sample| Subject::of(sample, &gateway, database, binaries)).collect()
}

/// The operations on tasks, each over every one of these databases. Their users have ids of different kinds.
pub(crate) fn of_users(databases: &[Database], binaries: &Binaries) -> Result<Vec<Subject>> {
    let gateway = Gateway::of_template(Style::Aws);
    let mut subjects = Vec::new();
    for sample in samples().into_iter().take_while(|sample| sample.name != "get-me") {
        for database in databases {
            let target = sample.target.replacen(
                &format!("/api/{}/", sample.user),
                &format!("/api/{}/", database.user(sample.user)),
                1,
            );
            let own = Sample { target, ..sample.clone() };
            let mut subject = Subject::of(&own, &gateway, database, binaries)?;
            subject.application_name = application_name(&format!("{} {}", sample.name, database.ids().name()));
            subject.launch.variables = database.variables_of(&subject.application_name);
            subjects.push(subject);
        }
    }
    Ok(subjects)
}

/// A request of the user who reads or writes, by its target below the host. A PUT changes a title.
pub(crate) fn one(
    name: &'static str,
    (method, target): (&'static str, &str),
    user: i32,
    database: &Database,
    binaries: &Binaries,
) -> Result<Subject> {
    let body = (method == "PUT").then_some(TITLE);
    let sample = Sample { name, baseline: EMPTY, user, method, target: target.into(), body, status: 200 };
    Subject::of(&sample, &Gateway::of_template(Style::Aws), database, binaries)
}

impl Subject {
    /// A baseline, with its statement and the id that it is about.
    fn baseline(
        name: &'static str,
        statement: Option<(&str, i64)>,
        payload: &str,
        database: &Database,
        binaries: &Binaries,
    ) -> Result<Self> {
        let binary = name.split(' ').next().unwrap_or(name).to_owned();
        let application_name = application_name(name);
        let mut variables = database.variables_of(&application_name);
        if let Some((statement, id)) = statement {
            variables.push(("BASELINE_STATEMENT".into(), statement.into()));
            variables.push(("BASELINE_ID".into(), id.to_string()));
        }
        let launch = binaries.launch(name, &binary, variables)?;
        Ok(Self {
            name,
            baseline: None,
            binary,
            database: statement.is_some(),
            launch,
            application_name,
            status: 200,
            payload: payload.into(),
            calls: 0,
        })
    }

    fn of(sample: &Sample, gateway: &Gateway, database: &Database, binaries: &Binaries) -> Result<Self> {
        let mut settings = Settings::of_events("");
        settings.set("USER_IDS", database.ids().name());
        if sample.name == REFUSED {
            settings.set("BETTER_AUTH_SECRET", WRONG_SECRET);
        }
        let token = token::mint(&settings, &database.user(sample.user), 24)?;
        let key = (sample.name == KEYED).then_some(KEY);
        let (binary, payload) = event(gateway, sample.method, &sample.target, &token, sample.body, key);
        let application_name = application_name(sample.name);
        let variables = database.variables_of(&application_name);
        let launch = binaries.launch(sample.name, &binary, variables)?;
        Ok(Self {
            name: sample.name,
            baseline: Some(sample.baseline),
            database: !["docs", "not-found"].contains(&binary.as_str()),
            binary,
            launch,
            application_name,
            status: sample.status,
            payload,
            calls: 0,
        })
    }

    /// The list, with a token that is refused, or with none when it is empty.
    pub(crate) fn refused(name: &'static str, token: &str, database: &Database, binaries: &Binaries) -> Result<Self> {
        let sample = Sample {
            name,
            baseline: EMPTY,
            user: READER,
            method: "GET",
            target: format!("/api/{READER}/tasks"),
            body: None,
            status: 401,
        };
        let gateway = Gateway::of_template(Style::Aws);
        let mut subject = Self::of(&sample, &gateway, database, binaries)?;
        (_, subject.payload) = event(&gateway, sample.method, &sample.target, token, None, None);
        Ok(subject)
    }

    /// The baseline of its cold start: for a function that opens a connection, one that opens one.
    pub(crate) fn cold_baseline(&self) -> Option<&'static str> {
        self.baseline.map(|baseline| if self.database && baseline == EMPTY { GET } else { baseline })
    }

    /// The event of the next call. delete-task gets another task each time.
    pub(crate) fn payload(&mut self) -> String {
        self.calls += 1;
        if self.name == KEYED {
            return self
                .payload
                .replace(KEY, &format!("key-of-{}-{}", std::process::id(), KEYS.fetch_add(1, Ordering::Relaxed)));
        }
        if self.binary != "delete-task" {
            return self.payload.clone();
        }
        self.payload.replace(&DELETED.to_string(), &(DELETED + self.calls).to_string())
    }

    /// Calls one of its processes, and looks at the answer.
    pub(crate) async fn call(&mut self, process: &mut Process) -> Result<Call> {
        let call = process.call(self.payload()).await?;
        self.check(&call.body)?;
        Ok(call)
    }

    /// Whether an answer has the status that was expected.
    pub(crate) fn check(&self, body: &[u8]) -> Result<()> {
        if body.starts_with(format!("{{\"statusCode\":{}", self.status).as_bytes()) {
            return Ok(());
        }
        Err(anyhow!("{} answered {:.300}", self.name, String::from_utf8_lossy(body)))
    }
}

/// A name as a URL can have it.
fn application_name(name: &str) -> String {
    name.replace(|other: char| !other.is_ascii_alphanumeric(), "-")
}

/// The function that a browser's request goes to, and the event that it gets.
fn event(
    gateway: &Gateway,
    method: &str,
    target: &str,
    token: &str,
    body: Option<&str>,
    key: Option<&str>,
) -> (String, String) {
    let mut request = tests::Request::new(method, target)
        .header("Accept", "*/*")
        .header("Accept-Encoding", "gzip, deflate, br")
        .header("Authorization", &format!("Bearer {token}"))
        .header("Origin", "http://localhost:3000")
        .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Forwarded-Port", "443")
        .header("X-Forwarded-Proto", "https");
    if let Some(body) = body {
        request = request.raw("application/json", body);
    }
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let (function, event) = gateway.event(&request);
    (function, event.to_string())
}
