//! A Postgres server for this project, on loopback.

mod cluster;
mod connect;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow};

use crate::ui::step;

pub use cluster::Cluster;
use cluster::{CERTIFICATE, PASSWORD, ROLE, run};
pub use connect::{connect, connect_over_tls, create_database};

/// The name of the tests' server.
pub const TESTS: &str = "test";

/// A running server. It stops when this is dropped.
pub struct Server {
    cluster: Cluster,
    port: u16,
    // Held as long as the server runs.
    _lock: fs::File,
}

/// The kinds of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// The data survive a crash, and the next run uses them again.
    Durable,
    /// The data are created at each start. A crash may lose them, which makes the server fast.
    Throwaway,
    /// As [`ServerKind::Throwaway`], but every role except the superuser must use TLS.
    Encrypted,
}

impl Server {
    /// Starts a server on the data folder called `name`, which is created if it is missing.
    pub async fn start(name: &str, kind: ServerKind) -> Result<Self> {
        let cluster = Cluster::named(name).await?;
        let (port, lock) = (free_port()?, cluster.lock()?);
        if kind != ServerKind::Durable {
            cluster.remove()?;
        }
        cluster.initialise()?;
        if kind == ServerKind::Encrypted {
            cluster.encrypt()?;
        }
        if cluster.control(&["status"]).is_ok() {
            step("Stopping a Postgres that an earlier run left behind");
            cluster.control(&["-m", "fast", "-w", "stop"])?;
        }
        step(&format!("Starting Postgres on 127.0.0.1:{port}, data in {}", cluster.data.display()));
        let mut options =
            format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=400");
        if name == TESTS {
            // Tests read the statement counts of this extension.
            options.push_str(" -c shared_preload_libraries=pg_stat_statements");
        }
        if kind != ServerKind::Durable {
            options.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let log = cluster.data.join("server.log").display().to_string();
        cluster.control(&["-w", "-l", &log, "-o", &options, "start"]).map_err(|failure| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            anyhow!("{failure}\n{log}\nPostgres did not start. Or set DATABASE_URL to a running one.")
        })?;
        Ok(Self { cluster, port, _lock: lock })
    }

    /// The URL for the owner of the database, who is not a superuser. Clients log in over TLS, with SCRAM and
    /// channel binding.
    #[must_use]
    pub fn encrypted_url(&self, database: &str) -> String {
        let options = "sslmode=require&channel_binding=require";
        format!("postgres://{ROLE}:{PASSWORD}@localhost:{}/{database}?{options}", self.port)
    }

    /// The server's version, queried over TLS.
    pub async fn version_over_tls(&self) -> Result<String> {
        let url = self.encrypted_url("postgres").parse().context("the URL")?;
        let client = connect_over_tls(&url, &self.certificate()).await?;
        Ok(client.query_one("SHOW server_version", &[]).await?.get(0))
    }

    /// The command that controls the server, without its last words, which say what to do. When the command restarts
    /// the server, the server keeps its options.
    #[must_use]
    pub fn control_command(&self) -> Vec<String> {
        let (log, data) = (self.cluster.data.join("server.log"), &self.cluster.data);
        let mut command = self.cluster.user.command(&self.cluster.binaries.join("pg_ctl"));
        command.arg("-D").arg(data).arg("-l").arg(log);
        words(&command)
    }

    /// The command that runs a program as the server's user, for other programs that refuse to run as root.
    #[must_use]
    pub fn run_as(&self, program: &Path) -> Vec<String> {
        words(&self.cluster.user.command(program))
    }

    /// Creates a folder that belongs to the server's user.
    pub fn make_folder(&self, folder: &Path) -> Result<()> {
        run(self.cluster.user.command(Path::new("mkdir")).arg(folder))
    }

    /// The certificate that clients of [`Server::encrypted_url`] must trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.cluster.data.join(CERTIFICATE)
    }

    /// The URL of one of the server's databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(failure) = self.cluster.control(&["-m", "fast", "-w", "stop"]) {
            eprintln!("Postgres did not stop: {failure}");
        }
    }
}

/// The words of a command.
fn words(command: &Command) -> Vec<String> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// A port that no program listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).context("no free port")?.port())
}
