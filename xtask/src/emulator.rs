//! `cargo xtask emulate`: runs the artefacts under AWS's Runtime Interface Emulator. Their Postgres insists on TLS,
//! SCRAM and channel binding, as Neon does. The arm64 artefacts, which are deployed, run natively on arm64, and
//! through QEMU on x86-64.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use devtools::{
    build::Processor,
    postgres::{self, Server, ServerKind, free_port},
    process::{end, wait_until_it_listens},
    settings::{Settings, root, target},
    signal::{self, Signal},
    tools::{
        self,
        system::{ARM64_LIBRARIES, Package},
    },
    ui::step,
};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use zip::ZipArchive;

use crate::events::{self, Event};

/// The time limit for a function to start, and to answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The time limit for the emulator to end its function.
const STOP: Duration = Duration::from_secs(3);

/// The artefacts to run.
#[derive(Debug, Clone)]
pub(crate) struct Artefacts {
    processor: Processor,
    folder: PathBuf,
    /// Only these functions. `None` means all functions.
    only: Option<&'static [&'static str]>,
}

impl Artefacts {
    /// All artefacts that `cargo xtask build` has made for a processor.
    pub(crate) fn all(processor: Processor) -> Self {
        Self { processor, folder: processor.folder(), only: None }
    }

    /// The artefacts that [`build::some`](devtools::build::some) has made.
    pub(crate) fn some(processor: Processor, only: &'static [&'static str]) -> Self {
        Self { processor, folder: processor.test_folder(), only: Some(only) }
    }

    fn are_with(&self, function: &str) -> bool {
        self.only.is_none_or(|only| only.contains(&function))
    }
}

/// Replays the sample events. The artefacts must exist.
pub(crate) async fn run(artefacts: &Artefacts) -> Result<usize> {
    let emulator = tools::sam().await?.emulator;
    let server = Server::start("emulator", ServerKind::Encrypted).await?;
    let mut settings = Settings::of_events(&server.encrypted_url("postgres"));
    settings.set("SSL_CERT_FILE", &server.certificate().display().to_string());
    step("Running the artefacts under Lambda's emulator, over TLS");
    if artefacts.are_with("migrate") {
        let migrate = Function::start(&emulator, artefacts, "migrate", &settings).await?;
        migrate.invoke(&json!({ "action": "up" })).await?;
    } else {
        let migrate = Function::start(&emulator, &Artefacts::all(Processor::X86_64), "migrate", &settings).await?;
        migrate.invoke(&json!({ "action": "up" })).await?;
    }
    let fixture = fs::read_to_string(root().join("events/fixture.sql")).context("events/fixture.sql")?;
    let client = postgres::connect(&Settings::of_events(&server.url("postgres"))).await?;
    let mut events = events::read(None)?;
    events.retain(|event| artefacts.are_with(&event.function));
    let mut failures = Vec::new();
    for events in events.chunk_by(|one, other| one.function == other.function) {
        let Some(Event { function: name, .. }) = events.first() else { continue };
        let function = Function::start(&emulator, artefacts, name, &settings).await?;
        for event in events {
            client.batch_execute(&fixture).await.context("events/fixture.sql")?;
            let payload = fs::read_to_string(&event.path).with_context(|| event.path.display().to_string())?;
            let payload: Value = serde_json::from_str(&payload).with_context(|| event.path.display().to_string())?;
            let mut got = function.invoke(&payload).await?;
            // The recorded answers come from `cargo lambda invoke`, which does not show the type.
            if let Some(got) = got.as_object_mut() {
                got.remove("errorType");
            }
            let holds = events::holds(&event.answer, &got);
            println!("event {name}/{} in the emulator ... {}", event.name, if holds { "ok" } else { "FAILED" });
            if !holds {
                failures.push(format!("{name}/{}\n  expected {}\n  got      {got}", event.name, event.answer));
            }
        }
        if name == "list-tasks" {
            survives_a_panic(&function, &client, events, &fixture).await?;
        }
    }
    if failures.is_empty() { Ok(events.len()) } else { Err(anyhow!(failures.join("\n"))) }
}

/// A column of another type makes reading a row of the list panic. The function must answer, and go on.
async fn survives_a_panic(
    function: &Function,
    client: &tokio_postgres::Client,
    events: &[Event],
    fixture: &str,
) -> Result<()> {
    let all = events.iter().find(|event| event.name == "all.json").ok_or_else(|| anyhow!("no all.json"))?;
    let payload = fs::read_to_string(&all.path)?;
    let payload: Value = serde_json::from_str(&payload).context("all.json")?;
    client.batch_execute(fixture).await.context("events/fixture.sql")?;
    let schema = shared::db::RELEASE_SCHEMA;
    let broken = format!(
        "ALTER FUNCTION {schema}.list_tasks RENAME TO list_tasks_mended;
        CREATE FUNCTION {schema}.list_tasks(INTEGER, BIGINT, INTEGER)
        RETURNS TABLE (outcome TEXT, clock TIMESTAMPTZ, id TEXT) LANGUAGE sql
        AS $$ SELECT 'ok', NULL::TIMESTAMPTZ, 'x' $$;
        GRANT EXECUTE ON FUNCTION {schema}.list_tasks TO PUBLIC"
    );
    let mended =
        format!("DROP FUNCTION {schema}.list_tasks; ALTER FUNCTION {schema}.list_tasks_mended RENAME TO list_tasks");
    for (change, status) in [(&broken, 500), (&mended, 200)] {
        client.batch_execute(change).await.with_context(|| change.clone())?;
        let got = function.invoke(&payload).await?;
        if got.get("statusCode") != Some(&json!(status)) {
            bail!("expected {status} around a panic, got {got}");
        }
    }
    let log = fs::read_to_string(&function.log).with_context(|| function.log.display().to_string())?;
    if !log.contains(r#""message":"panic""#) {
        bail!("nothing panicked: see {}", function.log.display());
    }
    Ok(())
}

/// A function that runs under the emulator.
struct Function {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Function {
    async fn start(emulator: &Path, artefacts: &Artefacts, name: &str, settings: &Settings) -> Result<Self> {
        let folder = unpack(artefacts, name)?;
        let (port, runtime_port) = (free_port()?, free_port()?);
        let path = folder.join("log");
        let log = fs::File::create(&path).with_context(|| path.display().to_string())?;
        let child = Command::new(emulator)
            .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")])
            .args(["--runtime-api-address", &format!("127.0.0.1:{runtime_port}")])
            .arg(program(artefacts.processor, &folder)?)
            .env_clear()
            .envs(settings.variables())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", TIMEOUT.as_secs().to_string())
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| emulator.display().to_string())?;
        let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
        let mut function = Self { child, url, log: path };
        wait_until_it_listens(&mut function.child, name, ("127.0.0.1", port), TIMEOUT)
            .await
            .with_context(|| format!("see {}", function.log.display()))?;
        Ok(function)
    }

    async fn invoke(&self, event: &Value) -> Result<Value> {
        let (url, body) = (self.url.clone(), event.to_string());
        let answer = tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent =
                ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build().into();
            agent.post(&url).send(&body).and_then(|mut answer| answer.body_mut().read_to_string())
        });
        let text = answer.await.context("the emulator")?.context("the emulator")?;
        serde_json::from_str(&text).with_context(|| format!("the emulator answered {text:.200}"))
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // The emulator ends its function when it is asked to end, but not when it is killed.
        end(&mut self.child, |id| signal::send(id, Signal::SIGTERM), STOP);
    }
}

/// Unpacks the binary from an artefact's zip.
fn unpack(artefacts: &Artefacts, name: &str) -> Result<PathBuf> {
    let artefact = artefacts.folder.join(format!("{name}.zip"));
    let build = if artefacts.processor == Processor::Arm64 { "build" } else { "build --x86-64" };
    let file =
        fs::File::open(&artefact).with_context(|| format!("{}: run `cargo xtask {build}`", artefact.display()))?;
    let mut zip = ZipArchive::new(file).with_context(|| artefact.display().to_string())?;
    let mut binary = Vec::new();
    zip.by_name("bootstrap").with_context(|| artefact.display().to_string())?.read_to_end(&mut binary)?;
    let folder = target().join("emulator").join(name);
    fs::create_dir_all(&folder)?;
    let path = folder.join("bootstrap");
    fs::write(&path, binary).with_context(|| path.display().to_string())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// The program that the emulator starts: the binary, or on another processor a script that runs it through QEMU.
fn program(processor: Processor, folder: &Path) -> Result<PathBuf> {
    let binary = folder.join("bootstrap");
    if Processor::here() == Some(processor) {
        return Ok(binary);
    }
    let qemu = Package::Qemu.find().ok_or_else(|| anyhow!("qemu-aarch64 is missing: apt install qemu-user"))?;
    let script = folder.join("through-qemu");
    let text = format!("#!/bin/sh\nexec {} -L {ARM64_LIBRARIES} {}\n", qemu.display(), binary.display());
    fs::write(&script, text).with_context(|| script.display().to_string())?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}
