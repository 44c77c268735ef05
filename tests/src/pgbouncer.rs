//! `PgBouncer` in front of the tests' server, in transaction mode like Neon's pooler. Its clients need TLS and
//! SCRAM, and it opens only a given number of connections to the server.

use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use devtools::{
    postgres::{connect_over_tls, free_port},
    process::wait_until_it_listens,
};
use tokio::process::{Child, Command};
use tokio_postgres::{Client, Config};

/// The password of every role that logs in through the pooler.
pub const PASSWORD: &str = "correct-horse-battery";

/// The time limit for the pooler to listen.
const START: Duration = Duration::from_secs(5);

/// A running `PgBouncer`.
pub struct Pooler {
    command: Vec<String>,
    folder: PathBuf,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Pooler {
    /// Starts a pooler for these roles, with `pool_size` connections to the server for each pair of role and
    /// database.
    ///
    /// `None`, with a message, when there is no `PgBouncer`: `TEST_PGBOUNCER` has the command that starts it, as a
    /// JSON array.
    pub async fn before(server: u16, roles: &[&str], pool_size: usize) -> Option<Self> {
        let Ok(command) = std::env::var("TEST_PGBOUNCER") else {
            eprintln!("TEST_PGBOUNCER is not set: what goes through a pooler is NOT TESTED.");
            return None;
        };
        let command = serde_json::from_str(&command).expect("TEST_PGBOUNCER is a JSON array");
        Some(Self::with_command(command, server, roles, pool_size).await)
    }

    /// As [`Pooler::before`], with this command.
    pub async fn with_command(command: Vec<String>, server: u16, roles: &[&str], pool_size: usize) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let port = free_port().expect("a port for PgBouncer");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("pgbouncer-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for PgBouncer");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("a file for PgBouncer");
            path.display().to_string()
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = write("server.crt", &made.cert.pem());
        let key = write("server.key", &made.signing_key.serialize_pem());
        let users: Vec<_> = roles.iter().map(|role| format!("\"{role}\" \"{PASSWORD}\"")).collect();
        let users = write("users.txt", &users.join("\n"));
        write(
            "pgbouncer.ini",
            &format!(
                "[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
client_tls_sslmode = require
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
server_tls_sslmode = disable
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 1000
; After a connection that failed: the default of 15 seconds would be most of a test.
server_login_retry = 1
; As many as that would hide what is wrong.
log_connections = 0
log_disconnections = 0
"
            ),
        );
        let pooler = Self { command, folder, port, process: Mutex::default() };
        pooler.start().await;
        pooler
    }

    /// The port that the pooler listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database for a role, through a proxy in front of the pooler that listens on `port`.
    ///
    /// Neon's URLs have `channel_binding=require`, and this one does not, because `PgBouncer` 1.18 offers SCRAM only
    /// without channel binding.
    #[must_use]
    pub fn url_at(&self, port: u16, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@localhost:{port}/{database}?sslmode=require")
    }

    /// A connection through the pooler, which trusts the pooler's certificate.
    pub async fn connect(&self, config: &Config) -> Client {
        connect_over_tls(config, &self.certificate()).await.expect("a connection through PgBouncer")
    }

    /// The file with the certificate to trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// Starts the pooler.
    pub async fn start(&self) {
        let (program, arguments) = self.command.split_first().expect("a command in TEST_PGBOUNCER");
        // Appends to the log of earlier starts.
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let mut process = Command::new(program)
            .args(arguments)
            .arg(self.folder.join("pgbouncer.ini"))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let listens = wait_until_it_listens(&mut process, "PgBouncer", ("127.0.0.1", self.port), START).await;
        listens.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
        *self.process.lock().expect("the process") = Some(process);
    }

    /// Starts the pooler again if it has ended by itself, as a service manager does. `PgBouncer` 1.18 does so now and then
    /// when the connection of a cancel request is cut: "bad client state" in its log.
    pub async fn revive(&self) {
        let has_ended = self
            .process
            .lock()
            .expect("the process")
            .as_mut()
            .is_some_and(|process| process.try_wait().expect("the state of PgBouncer").is_some());
        if has_ended {
            self.start().await;
        }
    }

    /// Stops the pooler at once, which cuts off everything in progress.
    pub async fn stop(&self) {
        let process = self.process.lock().expect("the process").take();
        if let Some(mut process) = process {
            process.kill().await.expect("the end of PgBouncer");
        }
    }

    /// The pooler's log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Dropping the process kills it, so the folder is not needed any more.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
