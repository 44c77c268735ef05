//! The folders of the project, and the variables of the environment and of `.env`.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use shared::{config::DEVELOPMENT_SECRET, tasks::DefaultSort};
use tokio::process::Command;

use crate::dotenv;

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    // Cargo sets this variable for programs that it runs. The folder of the build is the second choice, because the
    // binary may have been copied to another machine.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = Path::new(&package);
    // Packages are at different depths below the root.
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(package);
    root.canonicalize().unwrap_or_else(|_| root.to_owned())
}

/// The folder for all files that are generated here and not kept in git.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command that runs cargo, or cargo-lambda, as a shell would. With the variables that cargo has set for this
/// program, it would build some crates again.
pub fn cargo(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name.to_string_lossy().starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The variables that configure functions.
const VARIABLES: [&str; 13] = [
    "DATABASE_URL",
    "DATABASE_URL_UNPOOLED",
    "BETTER_AUTH_SECRET",
    "BETTER_AUTH_URL",
    "JWKS_URL",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "TOKEN_USER_CLAIM",
    "USER_IDS",
    "USERS_TABLE",
    "DEFAULT_SORT",
    "MAX_TASKS_PER_USER",
    "CORS_ORIGINS",
];

/// The variables for functions.
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// The variables of this process, and those of `.env` that this process lacks.
    pub fn read() -> Result<Self> {
        let path = root().join(".env");
        let mut settings = if path.exists() {
            {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                dotenv::parse(&text, |name| env::var(name).ok())
            }
        } else {
            BTreeMap::new()
        };
        // Migrations must not run on another database than the functions.
        if env::var_os("DATABASE_URL").is_some() {
            settings.remove("DATABASE_URL_UNPOOLED");
        }
        for name in VARIABLES {
            if let Ok(value) = env::var(name) {
                settings.insert(name.into(), value);
            }
        }
        settings.retain(|_, value| !value.is_empty());
        settings.entry("BETTER_AUTH_SECRET".into()).or_insert_with(|| DEVELOPMENT_SECRET.into());
        Ok(Self(settings))
    }

    /// The variables for replaying sample events, without any variable of the user.
    #[must_use]
    pub fn of_events(database_url: &str) -> Self {
        let mut settings = Self(BTreeMap::new());
        settings.set("DATABASE_URL", database_url);
        settings.set("BETTER_AUTH_SECRET", DEVELOPMENT_SECRET);
        settings.set("CORS_ORIGINS", "http://localhost:3000");
        settings
    }

    /// The value of a variable, if it has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets a variable, unless it has a value.
    pub fn set_default(&mut self, name: &str, value: &str) {
        self.0.entry(name.into()).or_insert_with(|| value.into());
    }

    /// The settings in the form that the functions' library reads.
    #[must_use]
    pub fn env(&self) -> shared::config::Env {
        self.0.iter().collect()
    }

    /// Checks before a build what functions would check at their start.
    pub fn check(&self) -> Result<()> {
        let env = self.env();
        let checks = [
            env.auth().map(drop),
            env.user_ids().map(drop),
            env.users_table().map(drop),
            DefaultSort::from_env(&env).map(drop),
            env.max_tasks_per_user().map(drop),
            env.cors_origins().map(drop),
        ];
        checks.into_iter().collect::<Result<(), _>>().map_err(|error| anyhow!(error.to_string()))
    }

    /// The names and values for the processes of the functions.
    pub fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}
