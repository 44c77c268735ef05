//! Lambda's [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) on loopback. The processes
//! of a function ask for the next invocation, and post the result.

use std::{
    collections::{BTreeMap, HashMap},
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{AppendHeaders, IntoResponse},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{RwLock, RwLockWriteGuard, mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout},
};

/// The timeout of the functions, as in the template.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of an answer on Lambda.
const MAX_PAYLOAD: usize = 6 * 1024 * 1024;

struct Invocation {
    id: String,
    payload: String,
    limit: Duration,
}

/// A test that waits for an invocation's answer.
struct Waiting {
    answer: oneshot::Sender<Result<Value, Value>>,
    /// When a process took the invocation, which starts its time.
    taken: Arc<Mutex<Option<Instant>>>,
}

/// The state that the harness and the processes of a function share.
struct Shared {
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    answers: Mutex<HashMap<String, Waiting>>,
    /// How many answers were posted. After each, the function writes a log line about the request.
    answered: AtomicUsize,
    /// Whoever has this to write holds back that an answer was taken.
    gate: RwLock<()>,
}

/// Why an invocation got no answer.
#[derive(Debug)]
pub enum Lost {
    /// The function posted this as its error.
    Error(Value),
    /// The function's process ended.
    Ended(ExitStatus),
    /// The invocation timed out.
    TimedOut,
}

/// A function: its processes and the queue of its invocations.
pub struct Function {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<Invocation>,
    log: Arc<Mutex<Vec<String>>>,
    processes: Mutex<Vec<Child>>,
    killed: AtomicBool,
    server: JoinHandle<()>,
}

impl Function {
    /// Starts a function with these variables and Lambda's own, and no others.
    pub async fn start(name: &str, environment: &BTreeMap<String, String>, processes: usize) -> Self {
        let (queue, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            next: next.into(),
            answers: Mutex::default(),
            answered: AtomicUsize::new(0),
            gate: RwLock::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the Runtime API");
        let address = listener.local_addr().expect("the port of the Runtime API").to_string();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async { axum::serve(listener, router).await.expect("the Runtime API") });
        let log = Arc::new(Mutex::new(Vec::new()));
        let children = (0..processes).map(|_| {
            let mut child = Command::new(crate::binary(name))
                .env_clear()
                .env("AWS_LAMBDA_RUNTIME_API", &address)
                .env("AWS_LAMBDA_FUNCTION_NAME", name)
                .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
                .envs(environment)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("a process of the function");
            collect(child.stdout.take(), &log);
            collect(child.stderr.take(), &log);
            child
        });
        let processes = Mutex::new(children.collect());
        Self { shared, queue, log, processes, killed: AtomicBool::new(false), server }
    }

    /// Invokes the function.
    ///
    /// # Errors
    /// The error that the function posted, or that its process ended.
    pub async fn invoke(&self, payload: &Value) -> Result<Value, Value> {
        self.invoke_within(payload, TIMEOUT).await
    }

    /// Invokes the function with another timeout.
    ///
    /// # Errors
    /// As [`Function::invoke`].
    pub async fn invoke_within(&self, payload: &Value, limit: Duration) -> Result<Value, Value> {
        self.invoke_raw(payload.to_string(), limit).await
    }

    /// Invokes the function with a payload that may not be JSON.
    ///
    /// # Errors
    /// As [`Function::invoke`].
    pub async fn invoke_raw(&self, payload: String, limit: Duration) -> Result<Value, Value> {
        // Lambda would stop the function at its limit. Here, the test fails.
        match self.attempt(payload, limit, Duration::from_secs(20)).await {
            Ok(answer) => Ok(answer),
            Err(Lost::Error(error)) => Err(error),
            Err(lost) => panic!("{lost:?}, with a limit of {limit:?}\n{}", self.log().join("\n")),
        }
    }

    /// Invokes the function, and waits at most `patience` longer than its limit. The end of its process counts as an
    /// answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn attempt(&self, payload: String, limit: Duration, patience: Duration) -> Result<Value, Lost> {
        let id = format!("{:032x}", unique());
        let (answer, mut answered) = oneshot::channel();
        let taken = Arc::new(Mutex::new(None));
        let waiting = Waiting { answer, taken: Arc::clone(&taken) };
        self.shared.answers.lock().expect("the answers").insert(id.clone(), waiting);
        let sent = self.queue.send(Invocation { id: id.clone(), payload, limit });
        sent.expect("the Runtime API listens for as long as its function is there");
        let asked = Instant::now();
        let lost = loop {
            if let Ok(answer) = timeout(Duration::from_millis(20), &mut answered).await {
                return answer.expect("the Runtime API's word").map_err(Lost::Error);
            }
            if let Some(status) = self.ended() {
                break Lost::Ended(status);
            }
            let end = match *taken.lock().expect("the beginning") {
                Some(taken) => taken + limit + patience,
                // It waits for the start of the process, or for other invocations in the queue.
                None => asked + limit + Duration::from_secs(20),
            };
            if Instant::now() > end {
                break Lost::TimedOut;
            }
        };
        self.shared.answers.lock().expect("the answers").remove(&id);
        Err(lost)
    }

    /// Kills the processes, as when their machine fails.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        for process in self.processes.lock().expect("the processes").iter_mut() {
            // A process that has ended needs no signal.
            let _ = process.start_kill();
        }
    }

    /// Whether [`Function::kill`] was called.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// The ids of the processes that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.processes.lock().expect("the processes").iter().filter_map(Child::id).collect()
    }

    /// How a process ended, if one has ended.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        let mut processes = self.processes.lock().expect("the processes");
        processes.iter_mut().find_map(|process| process.try_wait().expect("the state of a process"))
    }

    /// Holds back that answers were taken, for as long as the guard is kept: the function goes on sending.
    pub async fn hold_back(&self) -> RwLockWriteGuard<'_, ()> {
        self.shared.gate.write().await
    }

    /// The lines that the function wrote.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("the log").clone()
    }

    /// As [`Function::log`], and complete: waits for the line of each request that was answered, because a line is
    /// written, and may be read, after the answer.
    pub async fn complete_log(&self) -> Vec<String> {
        let answered = self.shared.answered.load(Ordering::Relaxed);
        let end = Instant::now() + TIMEOUT;
        loop {
            let log = self.log();
            let lines = log.iter().filter(|line| line.contains(r#""message":"request""#)).count();
            if lines >= answered || Instant::now() > end {
                return log;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A number that no other invocation has.
fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn collect(stream: Option<impl AsyncRead + Unpin + Send + 'static>, log: &Arc<Mutex<Vec<String>>>) {
    let (stream, log) = (stream.expect("a pipe"), Arc::clone(log));
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            log.lock().expect("the log").push(line);
        }
    });
}

async fn next_invocation(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let Some(invocation) = shared.next.lock().await.recv().await else {
        // The test is over, and the process ends with it.
        return std::future::pending().await;
    };
    if let Some(waiting) = shared.answers.lock().expect("the answers").get(&invocation.id) {
        *waiting.taken.lock().expect("the beginning") = Some(Instant::now());
    }
    let deadline = SystemTime::now() + invocation.limit;
    let deadline = deadline.duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:test".into()),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700".into()),
    ];
    (AppendHeaders(headers), invocation.payload)
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    shared.answered.fetch_add(1, Ordering::Relaxed);
    let size = body.len();
    let answer = if size > MAX_PAYLOAD {
        Err(format!("the answer has {size} bytes, more than Lambda takes").into())
    } else {
        serde_json::from_slice(&body).map_err(|error| error.to_string().into())
    };
    let status = settle(&shared, &id, answer);
    drop(shared.gate.read().await);
    status
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    settle(&shared, &id, Err(serde_json::from_slice(&body).unwrap_or_default()))
}

fn settle(shared: &Shared, id: &str, answer: Result<Value, Value>) -> StatusCode {
    if let Some(waiting) = shared.answers.lock().expect("the answers").remove(id) {
        // Nobody waits any more if the test gave up on the invocation.
        let _ = waiting.answer.send(answer);
    }
    StatusCode::ACCEPTED
}
