//! `cargo lambda watch` and `cargo lambda invoke`.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Error, Result, anyhow, bail};
use devtools::{
    process::Group,
    settings::{Settings, cargo, root, target},
    tools,
    ui::step,
};
use serde_json::Value;
use tokio::process::Command;

/// This machine's address for itself.
pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A running `cargo lambda watch` with all functions. They stop when this is dropped.
pub(crate) struct Watch {
    cargo_lambda: PathBuf,
    group: Group,
    host: IpAddr,
    port: u16,
}

/// Where the emulator's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To the terminal.
    Terminal,
    /// To a file below `target/`.
    File,
}

impl Watch {
    /// Starts the emulator on a port of this machine's address `host`.
    pub(crate) async fn start(host: IpAddr, port: u16, settings: &Settings, output: Output) -> Result<Self> {
        let cargo_lambda = tools::cargo_lambda().await?;
        let folder = target().join("watch");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let log = folder.join(format!("{port}.log"));
        step(&format!("Starting cargo lambda watch on {host}:{port}"));
        let mut command = cargo(&cargo_lambda);
        command
            .args(["lambda", "watch", "--disable-cors", "-A", &host.to_string(), "-P", &port.to_string()])
            // Not `--env-file`: its parser refuses values with `=` in them, as database URLs have.
            .envs(settings.variables())
            .current_dir(root())
            .stdin(Stdio::null());
        if output == Output::File {
            let file = fs::File::create(&log).with_context(|| log.display().to_string())?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let mut watch = Self { group: Group::start(&mut command)?, cargo_lambda, host, port };
        let reachable = watch.reachable().to_string();
        watch.group.wait_until_it_listens("cargo lambda watch", &reachable, port).await?;
        Ok(watch)
    }

    /// The address for reaching the emulator from this machine.
    fn reachable(&self) -> IpAddr {
        if self.host.is_unspecified() { LOCALHOST } else { self.host }
    }

    /// Waits until the emulator ends by itself, which is an error.
    pub(crate) async fn ended(&mut self) -> Error {
        match self.group.wait().await {
            Ok(status) => anyhow!("cargo lambda watch ended: {status}"),
            Err(error) => error,
        }
    }

    /// Invokes a function with the event in a file. If the function returns an error, the result is
    /// `{"errorMessage": …}`.
    pub(crate) async fn invoke_file(&self, function: &str, event: &Path) -> Result<Value> {
        self.invoke(function, ["--data-file".as_ref(), event.as_os_str()]).await
    }

    /// Invokes a function with an event.
    pub(crate) async fn invoke_event(&self, function: &str, event: &Value) -> Result<Value> {
        let event = event.to_string();
        self.invoke(function, ["--data-ascii".as_ref(), event.as_ref()]).await
    }

    async fn invoke(&self, function: &str, event: [&std::ffi::OsStr; 2]) -> Result<Value> {
        let output = Command::new(&self.cargo_lambda)
            .args(["lambda", "invoke", function, "-A", &self.reachable().to_string(), "-P", &self.port.to_string()])
            .args(event)
            .current_dir(root())
            .stdin(Stdio::null())
            .output()
            .await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        if output.status.success() {
            return serde_json::from_str(&out).with_context(|| format!("{function} answered {out:?}"));
        }
        // "Error:   × <errorMessage>", wrapped to the width of a terminal. The error's type is not shown.
        let message = err.split_once('×').map_or("", |(_, message)| message).replace('│', " ");
        let message = message.split("Was this behavior").next().unwrap_or_default();
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        if message.is_empty() {
            bail!("{function}: {err}{out}");
        }
        Ok(serde_json::json!({ "errorMessage": message }))
    }

    /// Runs the migrations with the migrate function.
    pub(crate) async fn migrate(&self) -> Result<()> {
        step("Migrating the database");
        let report = self.invoke_event("migrate", &serde_json::json!({ "action": "up" })).await?;
        match report.get("version") {
            Some(version) => {
                let applied = report.get("applied").and_then(Value::as_array).map_or(0, Vec::len);
                step(&format!("The schema is at version {version}; {applied} migrations were applied now"));
                Ok(())
            }
            None => bail!("The migration failed: {report}"),
        }
    }
}
