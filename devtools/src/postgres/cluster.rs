//! The data folder of a server, and the user that may use it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    settings::target,
    tools::{self, system::is_root},
    ui::step,
};

/// The user and group of the server when root starts it: nobody.
const NOBODY: &str = "65534";

/// A role, and its password. As at Neon, it owns the database of the encrypted server and is not a superuser.
pub(super) const ROLE: &str = "app";
pub(super) const PASSWORD: &str = "correct-horse-battery";

/// The file with the certificate of the encrypted server.
pub(super) const CERTIFICATE: &str = "server.crt";

/// A data folder, whether or not a server runs on it.
pub struct Cluster {
    pub(super) binaries: PathBuf,
    pub(super) user: RunAs,
    pub(super) data: PathBuf,
}

/// How to run programs that refuse to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunAs {
    /// As the user of this process.
    CurrentUser,
    /// As nobody, with the capability to read every folder, since the project can be below `/root`. This needs no user
    /// namespace, which containers do not allow.
    Nobody,
}

impl Cluster {
    /// The data folder called `name`, which may not exist yet.
    pub async fn named(name: &str) -> Result<Self> {
        let (binaries, user) = (tools::postgres().await?, RunAs::find()?);
        Ok(Self { binaries, user, data: target().join("postgres").join(name) })
    }

    /// Locks the data folder against other runs until the returned file is closed.
    pub(super) fn lock(&self) -> Result<fs::File> {
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

    /// Creates the data folder completely, or not at all.
    pub(super) fn initialise(&self) -> Result<()> {
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
        // macOS does not have C.UTF-8.
        initdb("C.UTF-8").or_else(|_| initdb("C"))?;
        // The first matching line counts. Members of this role, which a test creates, must log in with a password.
        let access = unfinished.join("pg_hba.conf");
        let rules = fs::read_to_string(&access).with_context(|| access.display().to_string())?;
        fs::write(&access, format!("host all +needs_password 127.0.0.1/32 scram-sha-256\n{rules}"))?;
        fs::rename(&unfinished, &self.data).with_context(|| self.data.display().to_string())
    }

    /// Creates a certificate for localhost, and a role that must log in over TLS with SCRAM.
    pub(super) fn encrypt(&self) -> Result<()> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("a certificate")?;
        fs::write(self.data.join(CERTIFICATE), made.cert.pem())?;
        let key = self.data.join("server.key");
        fs::write(&key, made.signing_key.serialize_pem())?;
        // Postgres refuses a key that others can read, and a key of another user.
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
        // The server does not run yet, so the role is created in single-user mode.
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

    /// Removes the data folder, unless another run uses it.
    pub fn reset(&self) -> Result<()> {
        let _lock = self.lock()?;
        self.remove()
    }

    /// Removes the data folder. Stops a server that runs on it first.
    pub(super) fn remove(&self) -> Result<()> {
        if self.data.exists() {
            if self.control(&["status"]).is_ok() {
                self.control(&["-m", "immediate", "-w", "stop"])?;
            }
            fs::remove_dir_all(&self.data).with_context(|| self.data.display().to_string())?;
        }
        Ok(())
    }

    pub(super) fn control(&self, arguments: &[&str]) -> Result<()> {
        run(self.user.command(&self.binaries.join("pg_ctl")).arg("-D").arg(&self.data).args(arguments))
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

    pub(super) fn command(self, program: &Path) -> Command {
        if self == Self::CurrentUser {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        // `initdb` looks for its server with access(2), which respects capabilities only with this securebit.
        command.args(["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
        command.arg(program);
        command
    }
}

/// Runs a command to its end. Shows its output only if it fails.
pub(super) fn run(command: &mut Command) -> Result<()> {
    run_with(command, Stdio::null())
}

fn run_with(command: &mut Command, input: Stdio) -> Result<()> {
    // The output goes to a file: the server inherits it, and reading from a pipe would not end before the server
    // ends.
    let log = target().join("postgres.out");
    let output = fs::File::create(&log).with_context(|| log.display().to_string())?;
    let errors = output.try_clone()?;
    let status = command.stdin(input).stdout(output).stderr(errors).status();
    match status.with_context(|| command.get_program().display().to_string())? {
        status if status.success() => Ok(()),
        status => bail!("{command:?}: {status}\n{}", fs::read_to_string(&log).unwrap_or_default()),
    }
}
