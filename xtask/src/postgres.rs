//! A Postgres server of this project's own, on loopback.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    settings::target,
    tools::{self, system::is_root},
    ui::step,
};
use anyhow::{Context, Result, anyhow, bail};

/// The user and group that a server of root's runs as: nobody.
const NOBODY: &str = "65534";

/// The role of the encrypted server that is no superuser, as Neon's owner of a database, and its
/// password.
const ROLE: &str = "app";
const PASSWORD: &str = "correct-horse-battery";

/// The name of the tests' server.
pub(crate) const TESTS: &str = "test";

const CERTIFICATE: &str = "server.crt";

/// A running server. It stops when this is dropped.
pub(crate) struct Server {
    cluster: Cluster,
    port: u16,
    // Held as long as the server runs.
    _lock: fs::File,
}

/// A folder of data, with or without a server on them.
pub(crate) struct Cluster {
    binaries: PathBuf,
    user: RunAs,
    data: PathBuf,
}

/// How to run programs that refuse to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunAs {
    /// As the user of this process.
    CurrentUser,
    /// As nobody, who may go wherever root may: the project can be below `/root`. This needs no user
    /// namespace, which containers do not allow.
    Nobody,
}

/// How safe the data have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// They survive a crash.
    Safe,
    /// They do not outlive the run.
    Throwaway,
    /// As [`Durability::Throwaway`], and the server speaks TLS to whoever is not the superuser.
    Encrypted,
}

impl Server {
    /// Starts a server on the data called `name`, which are made when they are not there.
    pub(crate) async fn start(name: &str, durability: Durability) -> Result<Self> {
        let cluster = Cluster::named(name).await?;
        let (port, lock) = (free_port()?, cluster.lock()?);
        if durability != Durability::Safe {
            cluster.remove()?;
        }
        cluster.initialise()?;
        if durability == Durability::Encrypted {
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
            // What the database counts of statements is tested.
            options.push_str(" -c shared_preload_libraries=pg_stat_statements");
        }
        if durability != Durability::Safe {
            options.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let log = cluster.data.join("server.log").display().to_string();
        cluster.control(&["-w", "-l", &log, "-o", &options, "start"]).map_err(|failure| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            anyhow!("{failure}\n{log}\nPostgres did not start. Or set DATABASE_URL to a running one.")
        })?;
        Ok(Self { cluster, port, _lock: lock })
    }

    /// The URL at which it insists on TLS, SCRAM and a channel binding, as an owner of the database
    /// who is no superuser.
    pub(crate) fn encrypted_url(&self, database: &str) -> String {
        let options = "sslmode=require&channel_binding=require";
        format!("postgres://{ROLE}:{PASSWORD}@localhost:{}/{database}?{options}", self.port)
    }

    /// Its version, asked for as [`Server::encrypted_url`] has it.
    pub(crate) async fn version_over_tls(&self) -> Result<String> {
        let url = self.encrypted_url("postgres").parse().context("the URL")?;
        let client = tests::postgres::connect_over_tls(&url, &self.certificate()).await?;
        Ok(client.query_one("SHOW server_version", &[]).await?.get(0))
    }

    /// The command that controls it, less its last words, as JSON. What it starts again has the
    /// options that it had.
    pub(crate) fn control_command(&self) -> String {
        let (log, data) = (self.cluster.data.join("server.log"), &self.cluster.data);
        let mut command = self.cluster.user.command(&self.cluster.binaries.join("pg_ctl"));
        words(command.arg("-D").arg(data).arg("-l").arg(log))
    }

    /// The command that runs a program as the server's user, as JSON: another one that refuses to
    /// run as root.
    pub(crate) fn run_as(&self, program: &Path) -> String {
        words(&mut self.cluster.user.command(program))
    }

    /// Makes a folder of its user's own.
    pub(crate) fn make_folder(&self, folder: &Path) -> Result<()> {
        run(self.cluster.user.command(Path::new("mkdir")).arg(folder))
    }

    /// The certificate to trust for that.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.cluster.data.join(CERTIFICATE)
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

impl Cluster {
    /// The data called `name`, which need not be there.
    pub(crate) async fn named(name: &str) -> Result<Self> {
        let (binaries, user) = (tools::postgres().await?, RunAs::find()?);
        Ok(Self { binaries, user, data: target().join("postgres").join(name) })
    }

    /// Makes sure that no other run uses the data.
    fn lock(&self) -> Result<fs::File> {
        let path = self.data.with_extension("lock");
        let folder = target().join("postgres");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let file = fs::File::create(&path).with_context(|| path.display().to_string())?;
        if file.try_lock().is_err() {
            bail!(
                "Another `cargo xtask` runs a Postgres on the data in {}: stop it, or set DATABASE_URL to a database.",
                self.data.display()
            );
        }
        Ok(file)
    }

    /// Makes the data folder, completely or not at all.
    fn initialise(&self) -> Result<()> {
        if self.data.join("PG_VERSION").exists() {
            return Ok(());
        }
        step(&format!("Making a Postgres data folder, {}", self.data.display()));
        self.remove()?;
        let unfinished = self.data.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
        }
        fs::create_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
        if self.user == RunAs::Nobody {
            run(Command::new("chown").arg("-R").arg(format!("{NOBODY}:{NOBODY}")).arg(&unfinished))?;
        }
        let initdb = |locale: &str| {
            let mut command = self.user.command(&self.binaries.join("initdb"));
            command.arg("-D").arg(&unfinished).args(["-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"]);
            run(command.arg(format!("--locale={locale}")))
        };
        // macOS has no C.UTF-8.
        initdb("C.UTF-8").or_else(|_| initdb("C"))?;
        // The first line that fits counts: who is a member of this role, which a test makes, has to know a password.
        let access = unfinished.join("pg_hba.conf");
        let rules = fs::read_to_string(&access).with_context(|| access.display().to_string())?;
        fs::write(&access, format!("host all +needs_password 127.0.0.1/32 scram-sha-256\n{rules}"))?;
        fs::rename(&unfinished, &self.data).with_context(|| self.data.display().to_string())
    }

    /// Makes a certificate for localhost, and a role that has to log in over TLS with SCRAM.
    fn encrypt(&self) -> Result<()> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("a certificate")?;
        fs::write(self.data.join(CERTIFICATE), made.cert.pem())?;
        let key = self.data.join("server.key");
        fs::write(&key, made.signing_key.serialize_pem())?;
        // Postgres refuses a key that others can read, and one that is another's.
        run(Command::new("chmod").arg("600").arg(&key))?;
        if self.user == RunAs::Nobody {
            run(Command::new("chown").arg(format!("{NOBODY}:{NOBODY}")).arg(&key))?;
        }
        let access = format!(
            "host all postgres 127.0.0.1/32 trust\nhostssl all {ROLE} samehost scram-sha-256\nhost all {ROLE} samehost reject\n"
        );
        fs::write(self.data.join("pg_hba.conf"), access)?;
        let mut configuration = fs::read_to_string(self.data.join("postgresql.conf"))?;
        configuration.push_str("\nssl = on\npassword_encryption = 'scram-sha-256'\n");
        fs::write(self.data.join("postgresql.conf"), configuration)?;
        // Before there is a server to ask: one of a single user.
        let sql = self.data.join("role.sql");
        fs::write(
            &sql,
            format!(
                "CREATE ROLE {ROLE} LOGIN CREATEROLE PASSWORD '{PASSWORD}';\nGRANT ALL ON SCHEMA public TO {ROLE};\nGRANT CREATE ON DATABASE postgres TO {ROLE};\n"
            ),
        )?;
        let mut postgres = self.user.command(&self.binaries.join("postgres"));
        postgres.arg("--single").arg("-D").arg(&self.data).arg("postgres");
        run_with(&mut postgres, fs::File::open(&sql)?.into())
    }

    /// Removes the data, unless another run uses them.
    pub(crate) fn reset(&self) -> Result<()> {
        let _lock = self.lock()?;
        self.remove()
    }

    /// Removes the data; a server on them is stopped first.
    fn remove(&self) -> Result<()> {
        if self.data.exists() {
            if self.control(&["status"]).is_ok() {
                self.control(&["-m", "immediate", "-w", "stop"])?;
            }
            fs::remove_dir_all(&self.data).with_context(|| self.data.display().to_string())?;
        }
        Ok(())
    }

    fn control(&self, arguments: &[&str]) -> Result<()> {
        run(self.user.command(&self.binaries.join("pg_ctl")).arg("-D").arg(&self.data).args(arguments))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(failure) = self.cluster.control(&["-m", "fast", "-w", "stop"]) {
            eprintln!("Postgres did not stop: {failure}");
        }
    }
}

impl RunAs {
    fn find() -> Result<Self> {
        if !is_root() {
            return Ok(Self::CurrentUser);
        }
        run(&mut Self::Nobody.command(Path::new("true"))).context(
            "Postgres does not run as root, and this root may not run it as nobody with the capability dac_override. \
             Run this as another user",
        )?;
        Ok(Self::Nobody)
    }

    fn command(self, program: &Path) -> Command {
        if self == Self::CurrentUser {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        // The first lets access(2), which `initdb` looks for its server with, count the others.
        command.args(["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
        command.arg(program);
        command
    }
}

/// A command as a JSON array.
fn words(command: &mut Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<serde_json::Value>().to_string()
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).context("no free port")?.port())
}

/// Runs a command to its end and quietly, unless it fails.
fn run(command: &mut Command) -> Result<()> {
    run_with(command, Stdio::null())
}

fn run_with(command: &mut Command, input: Stdio) -> Result<()> {
    // The server inherits no pipe: waiting for its end would be waiting for the server's.
    let log = target().join("postgres.out");
    let output = fs::File::create(&log).with_context(|| log.display().to_string())?;
    let errors = output.try_clone()?;
    let status = command.stdin(input).stdout(output).stderr(errors).status();
    match status.with_context(|| command.get_program().display().to_string())? {
        status if status.success() => Ok(()),
        status => bail!("{command:?}: {status}\n{}", fs::read_to_string(&log).unwrap_or_default()),
    }
}
