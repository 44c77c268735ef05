//! A proxy between a function and its database. It can be watched, and broken in the ways in which real networks
//! break.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// A TCP proxy in front of the database server.
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    listener: JoinHandle<()>,
}

#[derive(Default)]
struct Wire {
    /// The direction of each transfer: `C` from the client or `S` from the server. Consecutive chunks in one
    /// direction count once.
    turns: Mutex<String>,
    connections: AtomicUsize,
    /// The pumps of the open connections, two for each, with the connection's number.
    pumps: Mutex<Vec<(usize, JoinHandle<()>)>>,
    /// Whether nothing is delivered.
    held: watch::Sender<bool>,
    /// This number of connections, counted from the first, are dead without either end knowing it.
    severed: AtomicUsize,
    /// How many answers will still be lost.
    losses: AtomicUsize,
    /// How long a chunk is under way, in milliseconds.
    delay: AtomicU64,
}

impl Proxy {
    /// A proxy in front of the server on `port`.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the proxy");
        let address = listener.local_addr().expect("the port of the proxy");
        let wire = Arc::new(Wire::default());
        let pumps = Arc::clone(&wire);
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(Arc::clone(&pumps), client, port));
            }
        });
        Self { address, wire, listener }
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Resets the count of round trips.
    pub fn forget(&self) {
        self.wire.turns.lock().expect("the turns").clear();
    }

    /// How many round trips clients made since the last call. Bytes that are sent without waiting for an answer in
    /// between are one round trip.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        std::mem::take(&mut *self.wire.turns.lock().expect("the turns")).matches('C').count()
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.wire.connections.load(Ordering::SeqCst)
    }

    /// Cuts every connection. Both ends notice.
    pub fn cut(&self) {
        self.cut_before(usize::MAX);
    }

    /// Cuts the connections that [`Proxy::sever`] made half-open.
    pub fn cut_severed(&self) {
        self.cut_before(self.wire.severed.load(Ordering::SeqCst));
    }

    fn cut_before(&self, end: usize) {
        let mut pumps = self.wire.pumps.lock().expect("the pumps");
        for (_, pump) in pumps.extract_if(.., |(number, _)| *number < end) {
            pump.abort();
        }
    }

    /// Delivers nothing from now on, and neither end notices. New connections are accepted and get no further. After
    /// [`Proxy::release`], everything that was sent meanwhile arrives.
    pub fn hold(&self) {
        self.wire.held.send_replace(true);
    }

    /// Ends [`Proxy::hold`].
    pub fn release(&self) {
        self.wire.held.send_replace(false);
    }

    /// Makes every open connection half-open: everything that one end sends from now on is lost, even the end of the
    /// connection, and the other end still believes that the connection is open. New connections work.
    pub fn sever(&self) {
        self.wire.severed.store(self.connections(), Ordering::SeqCst);
    }

    /// Loses the next `count` answers of the server: the server executes the request, and the client sees the end of
    /// the connection instead of the answer.
    pub fn lose_answers(&self, count: usize) {
        self.wire.losses.store(count, Ordering::SeqCst);
    }

    /// Delays every delivery by `delay`. A round trip takes twice as long.
    pub fn delay(&self, delay: Duration) {
        self.wire.delay.store(delay.as_millis().try_into().expect("a delay"), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn connect(wire: Arc<Wire>, client: TcpStream, port: u16) {
    wire.fair().await;
    // When the server is away, the client's connection ends too, which is how the client is refused.
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // Passes each chunk on at once, without waiting for more.
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let number = wire.connections.fetch_add(1, Ordering::SeqCst);
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut pumps = wire.pumps.lock().expect("the pumps");
    pumps.retain(|(_, pump)| !pump.is_finished());
    pumps.push((number, tokio::spawn(pump(Arc::clone(&wire), number, 'C', from_client, to_server))));
    pumps.push((number, tokio::spawn(pump(Arc::clone(&wire), number, 'S', from_server, to_client))));
}

async fn pump(wire: Arc<Wire>, number: usize, sender: char, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        wire.fair().await;
        let length = from.read(&mut buffer).await.unwrap_or(0);
        wire.fair().await;
        let severed = || number < wire.severed.load(Ordering::SeqCst);
        if length == 0 {
            if severed() {
                // Both sockets stay open until the connection is cut.
                return std::future::pending().await;
            }
            break;
        }
        wire.turn(sender);
        let delay = wire.delay.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            wire.fair().await;
        }
        if severed() {
            continue;
        }
        if sender == 'S' && wire.loses_answer() {
            break;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

impl Wire {
    /// Waits while nothing is delivered.
    async fn fair(&self) {
        // This wire owns the sender, so there is no error.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    fn turn(&self, sender: char) {
        let mut turns = self.turns.lock().expect("the turns");
        if !turns.ends_with(sender) {
            turns.push(sender);
        }
    }

    fn loses_answer(&self) -> bool {
        let one_less = |count: usize| count.checked_sub(1);
        self.losses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }
}
