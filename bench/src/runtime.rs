//! A Runtime API that takes as little time as possible: HTTP/1.1 by hand, on one thread, with one task for each
//! connection. Each call has two reads and one write on loopback, for every subject alike.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

/// How long an invocation may take; nothing measured here should come near.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(2);

/// What a function did.
pub(crate) enum Arrival {
    /// It asked for an invocation.
    Asked,
    /// It answered one.
    Answered(Answer),
    /// Its process ended, or sent a request that this server does not know.
    Ended(String),
}

/// The answer to an invocation.
pub(crate) struct Answer {
    /// From the moment before the event was written to the one after the answer was read.
    pub(crate) took: Duration,
    /// When the event was written.
    pub(crate) sent: Instant,
    /// Whether it is the function's error.
    pub(crate) failed: bool,
    /// The answer, or the error.
    pub(crate) body: Vec<u8>,
}

/// The Runtime API of one process.
pub(crate) struct Runtime {
    /// Where it listens.
    pub(crate) address: String,
    queue: UnboundedSender<String>,
    listener: JoinHandle<()>,
}

/// What the connections of one process have in common.
struct Shared {
    /// The connection that holds the lock gets the next invocation.
    queue: tokio::sync::Mutex<UnboundedReceiver<String>>,
    open: Mutex<HashMap<u64, Instant>>,
    last_id: Mutex<u64>,
    arrivals: UnboundedSender<Arrival>,
}

impl Runtime {
    /// Listens; what the function does is sent to `arrivals`.
    pub(crate) async fn start(arrivals: UnboundedSender<Arrival>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the Runtime API")?;
        let address = listener.local_addr()?.to_string();
        let (queue, next) = unbounded_channel();
        let shared = Shared { queue: next.into(), open: Mutex::default(), last_id: Mutex::default(), arrivals };
        let listener = tokio::spawn(accept(listener, Arc::new(shared)));
        Ok(Self { address, queue, listener })
    }

    /// Lets the function have an invocation, as soon as it asks.
    pub(crate) fn invoke(&self, payload: String) {
        // This fails after the end of the function, which `arrivals` tells.
        let _ = self.queue.send(payload);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            if let Err(failure) =
                (Connection { stream, unread: Vec::new(), read_at: Instant::now() }).serve(&shared).await
            {
                let _ = shared.arrivals.send(Arrival::Ended(failure.to_string()));
            }
        });
    }
}

struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    /// When the last bytes came, before they were parsed.
    read_at: Instant,
}

impl Connection {
    /// Serves until the function closes the connection.
    async fn serve(mut self, shared: &Shared) -> Result<()> {
        self.stream.set_nodelay(true)?;
        while let Some(request) = self.read().await? {
            if request.target == "/2018-06-01/runtime/invocation/next" {
                let _ = shared.arrivals.send(Arrival::Asked);
                let Some(payload) = shared.queue.lock().await.recv().await else { return Ok(()) };
                let id = shared.next_id();
                let message = invocation(id, &payload);
                let sent = Instant::now();
                lock(&shared.open).insert(id, sent);
                self.stream.write_all(message.as_bytes()).await?;
                continue;
            }
            let (id, kind) =
                finished(&request.target).ok_or_else(|| anyhow!("the function asked for {}", request.target))?;
            let sent = lock(&shared.open).remove(&id).ok_or_else(|| anyhow!("no invocation {id}"))?;
            let answer = Answer { took: self.read_at - sent, sent, failed: kind != "response", body: request.body };
            let _ = shared.arrivals.send(Arrival::Answered(answer));
            self.stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await?;
        }
        Ok(())
    }

    /// The next request; `None` at the end.
    async fn read(&mut self) -> Result<Option<Request>> {
        loop {
            if let Some((request, rest)) = Request::parse(&self.unread)? {
                self.unread.drain(..rest);
                return Ok(Some(request));
            }
            self.unread.reserve(16 * 1024);
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
            self.read_at = Instant::now();
        }
    }
}

impl Shared {
    fn next_id(&self) -> u64 {
        let mut last = lock(&self.last_id);
        *last += 1;
        *last
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What Lambda answers to `next`.
fn invocation(id: u64, payload: &str) -> String {
    let deadline = SystemTime::now() + TIMEOUT;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!(
        "HTTP/1.1 200 OK\r\n\
        content-type: application/json\r\n\
        lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{id:012x}\r\n\
        lambda-runtime-deadline-ms: {deadline}\r\n\
        lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n\
        lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r\n\
        content-length: {}\r\n\r\n{payload}",
        payload.len()
    )
}

/// The invocation that a path finishes, and how: `response` or `error`.
fn finished(target: &str) -> Option<(u64, &str)> {
    let (id, kind) = target.strip_prefix("/2018-06-01/runtime/invocation/")?.split_once('/')?;
    let id = u64::from_str_radix(id.rsplit_once('-')?.1, 16).ok()?;
    ["response", "error"].contains(&kind).then_some((id, kind))
}

/// A request of the function's.
#[derive(Debug, PartialEq)]
struct Request {
    target: String,
    body: Vec<u8>,
}

impl Request {
    /// Reads a request and says how many bytes it took; `None` while it is not all there.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = bytes.split_at(end + 4);
        let head = std::str::from_utf8(head).context("a request of the function's")?;
        let mut lines = head.split("\r\n");
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        let mut length = 0;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("content-length")?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("the function streams its answer, which is not measured here");
            }
        }
        let body = rest.get(..length).map(<[u8]>::to_vec);
        Ok(body.map(|body| (Self { target, body }, head.len() + length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_when_they_are_all_there() {
        let text = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\nhost: y\r\n\r\nabcGET /next";
        let request = Request { target: "/x".into(), body: b"abc".to_vec() };
        for cut in 0..text.len() {
            let parsed = Request::parse(&text[..cut]).unwrap();
            assert_eq!(parsed.is_some(), cut >= text.len() - "GET /next".len(), "{cut}");
        }
        assert_eq!(Request::parse(text).unwrap(), Some((request, text.len() - "GET /next".len())));
        assert!(Request::parse(b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_names_the_invocation_that_was_sent() {
        let head = invocation(0xabc, "{}");
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: ")).unwrap();
        for kind in ["response", "error"] {
            let target = format!("/2018-06-01/runtime/invocation/{id}/{kind}");
            assert_eq!(finished(&target), Some((0xabc, kind)));
        }
        assert_eq!(finished("/2018-06-01/runtime/init/error"), None);
        assert!(head.ends_with("content-length: 2\r\n\r\n{}"));
    }
}
