//! Connections that died while they were idle. The server here knows only the parts of
//! [the protocol](https://www.postgresql.org/docs/current/protocol-flow.html) for connecting and for telling the
//! time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const AUTHENTICATION_OK: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0];
const READY_FOR_QUERY: [u8; 6] = [b'Z', 0, 0, 0, 5, b'I'];

/// A message of the server: type, length and content.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

/// The answer to a query for the clock.
fn time() -> Vec<u8> {
    // One column: its name, no table, timestamptz of 8 bytes, no modifier, binary.
    let column = [&[0, 1][..], b"t\0", &[0; 6], &1184_u32.to_be_bytes(), &[0, 8], &[255; 4], &[0, 1]].concat();
    let row = [&[0, 1][..], &8_u32.to_be_bytes(), &0_u64.to_be_bytes()].concat();
    [
        message(b'1', &[]),
        message(b'2', &[]),
        message(b'T', &column),
        message(b'D', &row),
        message(b'C', b"SELECT 1\0"),
        READY_FOR_QUERY.to_vec(),
    ]
    .concat()
}

/// What is wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It stops answering after its first use.
    FallsSilent,
    /// It is closed instead of answering.
    Closes,
}

/// A server with this fault in its first `faulty` connections. Returns its address and the number of connections so
/// far.
async fn server_that(fault: Fault, faulty: usize) -> (Config, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let is_faulty = count.fetch_add(1, Ordering::SeqCst) < faulty;
            tokio::spawn(serve(stream, is_faulty.then_some(fault)));
        }
    });
    (format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable").parse().unwrap(), connections)
}

async fn serve(mut stream: TcpStream, fault: Option<Fault>) {
    let mut buffer = [0; 4096];
    // The first message opens the connection. Every later message is a query for the time.
    let mut answers = vec![[&AUTHENTICATION_OK[..], &READY_FOR_QUERY].concat()];
    if fault != Some(Fault::Closes) {
        answers.insert(0, time());
    }
    while let Ok(1..) = stream.read(&mut buffer).await {
        let answer = match (answers.pop(), fault) {
            (Some(answer), _) => answer,
            (None, None) => time(),
            (None, Some(Fault::FallsSilent)) => continue,
            (None, Some(Fault::Closes)) => return,
        };
        stream.write_all(&answer).await.unwrap();
    }
}

/// Moves the last use of a connection back by `by`.
fn age(db: &Db, by: Duration) {
    *db.last_used.lock().unwrap() = SystemTime::now() - by;
}

#[tokio::test]
async fn an_idle_connection_is_used_when_it_answers() {
    let (config, connections) = server_that(Fault::FallsSilent, 0).await;
    let db = Db::new(&config, 1).unwrap();
    db.warm_up(true).await;
    age(&db, VALIDATE_AFTER_IDLE * 2);
    drop(db.connection().await.unwrap());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_idle_connection_that_is_silent_makes_way_for_a_new_one_in_time() {
    let (config, connections) = server_that(Fault::FallsSilent, 1).await;
    let db = Db::new(&config, 1).unwrap();
    db.warm_up(true).await;
    drop(db.connection().await.unwrap());
    assert_eq!(connections.load(Ordering::SeqCst), 1, "nobody asks while it is in use");
    age(&db, VALIDATE_AFTER_IDLE * 2);
    let started = Instant::now();
    drop(db.connection().await.unwrap());
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    assert!(started.elapsed() < VALIDATION_TIMEOUT * 2, "{:?}", started.elapsed());
}

/// A write whose connections are lost while they are asked for the clock was not sent, so it may be sent again.
#[tokio::test]
async fn a_write_without_a_clock_is_not_sent() {
    let (config, connections) = server_that(Fault::Closes, 2).await;
    let db = Db::new(&config, 1).unwrap();
    let end = Instant::now() + Duration::from_secs(1);
    let error = db.connection_for_write(end).await.unwrap_err();
    assert!(error.is_rolled_back() && error.is_transient() && !error.is_lost_connection(), "{error:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 2, "the clock is asked for twice");
    drop(db.connection_for_write(end).await.unwrap());
}

/// A request may end while an idle connection is asked whether it still works. Nobody gets that connection again.
#[tokio::test]
async fn a_connection_is_not_kept_in_the_middle_of_its_check() {
    let (config, connections) = server_that(Fault::FallsSilent, 1).await;
    let db = Db::new(&config, 1).unwrap();
    db.warm_up(true).await;
    age(&db, VALIDATE_AFTER_IDLE * 2);
    timeout(VALIDATION_TIMEOUT / 10, db.connection()).await.unwrap_err();
    let started = Instant::now();
    drop(db.connection().await.unwrap());
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    assert!(started.elapsed() < VALIDATION_TIMEOUT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_a_connection_idle() {
    let (config, _) = server_that(Fault::FallsSilent, 0).await;
    let db = Db::new(&config, 1).unwrap();
    assert!(!db.is_idle());
    *db.last_used.lock().unwrap() = SystemTime::now() + Duration::from_hours(1);
    assert!(db.is_idle());
}

/// An error that cannot pass by itself is not retried within a request.
#[tokio::test]
async fn a_password_that_is_wrong_is_one_login() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            let refusal = message(b'E', b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"u\"\0\0");
            let _ = stream.write_all(&refusal).await;
        }
    });
    let config = format!("postgres://u:wrong@127.0.0.1:{port}/d?sslmode=disable").parse().unwrap();
    let db = Db::new(&config, 1).unwrap();
    let started = Instant::now();
    let Err(error) = db.connection().await else { panic!("there is a connection") };
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(!error.is_transient() && error.needs_operator(), "{error}");
    assert!(started.elapsed() < CONNECT_RETRY, "{:?}", started.elapsed());
}
