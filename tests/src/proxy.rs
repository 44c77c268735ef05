//! A wire between a function and its database that can be watched.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// A TCP proxy before the database's server.
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    listener: JoinHandle<()>,
}

#[derive(Default)]
struct Wire {
    /// What went over it, as the sender's first letter: `C`lient or `S`erver. Chunks of one
    /// direction that follow each other count once.
    turns: Mutex<String>,
    connections: AtomicUsize,
    /// The pumps of the open connections.
    pumps: Mutex<Vec<JoinHandle<()>>>,
}

impl Proxy {
    /// A proxy before the server on `port`.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the proxy");
        let address = listener.local_addr().expect("the port of the proxy");
        let wire = Arc::new(Wire::default());
        let pumps = Arc::clone(&wire);
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection to the server");
                pumps.connections.fetch_add(1, Ordering::SeqCst);
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let mut open = pumps.pumps.lock().expect("the pumps");
                open.push(tokio::spawn(pump(Arc::clone(&pumps), 'C', from_client, to_server)));
                open.push(tokio::spawn(pump(Arc::clone(&pumps), 'S', from_server, to_client)));
            }
        });
        Self { address, wire, listener }
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Forgets what went over the wire so far.
    pub fn forget(&self) {
        self.wire.turns.lock().expect("the turns").clear();
    }

    /// How many flights clients sent since the last call: bytes that were sent without waiting
    /// for an answer in between.
    #[must_use]
    pub fn flights(&self) -> usize {
        std::mem::take(&mut *self.wire.turns.lock().expect("the turns")).matches('C').count()
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.wire.connections.load(Ordering::SeqCst)
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        for pump in self.wire.pumps.lock().expect("the pumps").drain(..) {
            pump.abort();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn pump(wire: Arc<Wire>, sender: char, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        {
            let mut turns = wire.turns.lock().expect("the turns");
            if !turns.ends_with(sender) {
                turns.push(sender);
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}
