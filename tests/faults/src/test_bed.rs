//! What the faults are injected into: a server, a pooler, the wires to both, and the functions.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use devtools::ui::say;
use serde_json::json;
use tests::{
    SECRET,
    fleet::Fleet,
    identity::Identity,
    pgbouncer::Pooler,
    postgres::{self, Database},
    proxy::Proxy,
    runtime::{self, Function},
};
use tokio::{process::Command, sync::RwLock};
use tokio_postgres::{Client, error::SqlState};

use crate::{evidence, inject};

/// Which functions clients call.
const FUNCTIONS: [&str; 6] = ["create-task", "update-task", "complete-task", "delete-task", "get-task", "list-tasks"];

/// The tables that are moved to the small disk.
const TABLES: [&str; 3] = ["task", "audit", "idempotency_key"];

/// Everything that can break.
pub(crate) struct TestBed {
    pub(crate) database: Database,
    pub(crate) direct: Proxy,
    pub(crate) pooled: Option<(Pooler, Proxy)>,
    /// The functions that reach the database directly, and those that reach it through the pooler.
    pub(crate) fleets: Vec<Arc<Fleet>>,
    /// Closed while environments are frozen.
    pub(crate) gate: Arc<RwLock<()>>,
    /// The timeout of the functions.
    pub(crate) timeout: Duration,
    /// Whether there is time for long faults.
    pub(crate) long: bool,
    machine: Machine,
}

/// What the suite uses of this machine.
pub(crate) struct Machine {
    /// The command that controls the server, without the last words, which say what to do.
    pub(crate) control: Vec<String>,
    /// The command that starts `PgBouncer`, less its configuration; `None` where it is not installed.
    pub(crate) pgbouncer: Option<Vec<String>>,
    /// A folder on a small disk; `None` where none can be mounted.
    pub(crate) small_disk: Option<PathBuf>,
}

impl TestBed {
    /// Starts everything but the functions.
    pub(crate) async fn start(machine: Machine, long: bool, identity: Identity) -> Self {
        let timeout = if long { runtime::TIMEOUT } else { Duration::from_secs(3) };
        let mut database = Database::empty().await;
        database.identity = identity;
        database.give_away().await;
        identity.prepare(&database, database.name()).await;
        let direct = Proxy::before(postgres::port()).await;
        let mut pooled = None;
        if let Some(command) = &machine.pgbouncer {
            let pgbouncer = Pooler::with_command(command.clone(), postgres::port(), &[database.name()], 4).await;
            let proxy = Proxy::before(pgbouncer.port()).await;
            pooled = Some((pgbouncer, proxy));
        } else {
            say("PgBouncer is not installed: what goes through a pooler is NOT TESTED.");
        }
        let bed = Self { fleets: Vec::new(), gate: Arc::default(), database, direct, pooled, timeout, long, machine };
        let migrate = Function::start("migrate", &bed.variables(postgres::port()), 1).await;
        migrate.invoke(&json!({ "action": "up" })).await.expect("the migrations");
        evidence::watch(&bed.database).await;
        bed.move_to_small_disk().await;
        bed
    }

    /// Starts functions for so many clients on each way to the database, instead of those that run.
    pub(crate) async fn start_functions(&mut self, clients: usize, extra: &[(&str, &str)]) {
        let mut ways = vec![self.variables(self.direct.port())];
        if let Some((pooler, proxy)) = &self.pooled {
            let mut variables = self.variables(proxy.port());
            let name = self.database.name();
            variables.insert("DATABASE_URL".into(), pooler.url_at(proxy.port(), name, name));
            variables.insert("SSL_CERT_FILE".into(), pooler.certificate().display().to_string());
            ways.push(variables);
        }
        self.fleets.clear();
        for mut variables in ways {
            variables.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let fleet = Fleet::new(variables, self.timeout);
            for function in FUNCTIONS {
                fleet.warm_up(function, clients).await;
            }
            self.fleets.push(Arc::new(fleet));
        }
    }

    fn variables(&self, port: u16) -> BTreeMap<String, String> {
        let url = self.database.url_of_owner_at(port);
        let own = [("DATABASE_URL", url.as_str()), ("BETTER_AUTH_SECRET", SECRET)];
        let all = own.into_iter().chain(self.database.identity.variables());
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// How long faults are injected in a round. A client's pauses take as long together, so that a fast machine does
    /// not end the round early.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_millis(if self.long { 20_000 } else { 1500 })
    }

    /// The wires that functions use.
    pub(crate) fn wires(&self) -> impl Iterator<Item = &Proxy> {
        [Some(&self.direct), self.pooled.as_ref().map(|(_, proxy)| proxy)].into_iter().flatten()
    }

    /// Opens a connection as the superuser, as soon as the server takes one.
    pub(crate) async fn superuser(&self) -> Client {
        for _ in 0..600 {
            if let Ok(client) = self.database.connect_again().await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no server after 30 seconds");
    }

    /// Runs SQL as the superuser. That the server goes away meanwhile is no failure.
    pub(crate) async fn run(&self, sql: &str) {
        let client = self.superuser().await;
        let Err(error) = client.batch_execute(sql).await else { return };
        let state = error.code().map_or("", SqlState::code);
        // Classes of mistakes in the statement itself.
        assert!(!["22", "42"].iter().any(|class| state.starts_with(class)), "{sql}: {error:?}");
    }

    /// Restarts the server in one of the ways that it can be stopped.
    pub(crate) async fn restart(&self, mode: &str) {
        let (program, arguments) = self.machine.control.split_first().expect("a command");
        let mut command = Command::new(program);
        command.args(arguments).args(["-m", mode, "-w", "restart"]);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().await.expect("pg_ctl");
        assert!(status.success(), "pg_ctl -m {mode} restart: {status}");
    }

    async fn move_to_small_disk(&self) {
        let Some(folder) = &self.machine.small_disk else { return };
        self.database.execute(&format!("CREATE TABLESPACE small LOCATION '{}'", folder.display())).await;
        for table in TABLES {
            self.database.execute(&format!("ALTER TABLE IF EXISTS {table} SET TABLESPACE small")).await;
        }
    }

    /// The file that fills the small disk; `None` where there is no small disk.
    pub(crate) fn filler(&self) -> Option<PathBuf> {
        // Beside the server's folder, into which only the server may write.
        Some(self.machine.small_disk.as_ref()?.with_file_name("filler"))
    }

    /// Waits until no statement runs in the database.
    pub(crate) async fn quiet(&self) -> Client {
        let client = self.superuser().await;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'";
        for _ in 0..600 {
            let working: i64 = client.query_one(sql, &[]).await.expect("the activity").get(0);
            if working == 0 {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("statements run that nobody waits for");
    }
}

impl Drop for TestBed {
    fn drop(&mut self) {
        // It is missing when the clock was never stepped.
        let _ = std::fs::remove_file(inject::clock());
    }
}
