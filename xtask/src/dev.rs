//! `cargo xtask dev`: the API on this machine.

use std::net::TcpListener;

use anyhow::{Result, anyhow, bail};
use tokio::process::Command;

use crate::{
    better_auth::{self, BetterAuth},
    demo,
    lambda::{Output, Watch},
    postgres::{Cluster, Durability, Server},
    settings::{Settings, root},
    token, tools,
    ui::step,
};

/// The name of the development data.
const DATA: &str = "dev";

/// Where Better Auth listens.
const BETTER_AUTH_PORT: u16 = 3005;

/// How long the token that is printed is good for: 30 days.
const TOKEN_HOURS: u32 = 30 * 24;

/// The options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The port of 127.0.0.1 to listen on.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Empty the local database first.
    #[arg(long)]
    reset: bool,
    /// Start a Better Auth on port 3005 as well: users can sign up.
    #[arg(long)]
    with_better_auth: bool,
}

/// Runs until it is interrupted.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let port = options.port;
    check_port(port, "Stop it, or choose another with --port.")?;
    let mut settings = Settings::read()?;
    settings.set_default("CORS_ORIGINS", "http://localhost:3000,http://localhost:5173");
    settings.check()?;
    // Before the long build, so that what is missing is said at once.
    tools::cargo_lambda().await?;
    if options.with_better_auth {
        check_port(BETTER_AUTH_PORT, "Stop it.")?;
        if settings.get("BETTER_AUTH_URL").is_some() {
            bail!("--with-better-auth starts one, and BETTER_AUTH_URL names another.");
        }
        settings.set("BETTER_AUTH_URL", &better_auth::url(BETTER_AUTH_PORT));
        better_auth::prepare().await?;
    }
    let _server = database(&mut settings, options.reset).await?;
    build().await?;
    let mut watch = Watch::start(port, &settings, Output::Terminal).await?;
    watch.migrate().await?;
    let _better_auth =
        if options.with_better_auth { Some(BetterAuth::start(BETTER_AUTH_PORT, &settings).await?) } else { None };
    let database = settings.get("DATABASE_URL").unwrap_or_default();
    match demo::user(&demo::connect(&settings).await?, &settings).await? {
        Some(user) => welcome(port, &user, &token::mint(&settings, &user, TOKEN_HOURS)?, database),
        None => println!(
            "
The task API is at http://127.0.0.1:{port}. Users are in a table of yours: take the id of one, and

cargo xtask token --user <id>

prints a token for it.
"
        ),
    }
    if options.with_better_auth {
        welcome_to_better_auth();
    }
    Err(watch.ended().await)
}

fn check_port(port: u16, advice: &str) -> Result<()> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(_) => bail!("Port {port} is taken: is another `cargo xtask dev` running? {advice}"),
    }
}

/// Uses the database that `DATABASE_URL` names, or starts one.
async fn database(settings: &mut Settings, reset: bool) -> Result<Option<Server>> {
    if settings.get("DATABASE_URL").is_some() {
        if reset {
            bail!("--reset empties the local database only, and DATABASE_URL names another.");
        }
        step("Using the database that DATABASE_URL names");
        demo::connect(settings).await?;
        return Ok(None);
    }
    if reset {
        step("Removing the local database");
        Cluster::named(DATA).await?.remove()?;
    }
    let server = Server::start(DATA, Durability::Safe).await?;
    settings.set("DATABASE_URL", &server.url("postgres"));
    Ok(Some(server))
}

/// Builds every function, so that no first request waits for the compiler.
pub(crate) async fn build() -> Result<()> {
    step("Building the functions");
    let status = Command::new("cargo").args(["build", "--bins"]).current_dir(root()).status().await?;
    if status.success() { Ok(()) } else { Err(anyhow!("The functions do not build.")) }
}

fn welcome(port: u16, user: &str, token: &str, database: &str) {
    let (base, header) = (format!("http://127.0.0.1:{port}"), format!("'Authorization: Bearer {token}'"));
    // A password in the URL is nobody's business who looks over a shoulder.
    let shown = database.rsplit_once('@').map_or(database, |(_, rest)| rest);
    println!(
        "
The task API is at {base}, its database at {shown}.
Token of the demo user (id {user}), good for 30 days:

{token}

Try it:

curl -s {base}/api/{user}/tasks -H {header}

curl -s {base}/api/{user}/tasks -H {header} -H 'Content-Type: application/json' -d '{{\"title\":\"From curl\"}}'

curl -s {base}/api/users/me -H {header}

Changed code is built and used by the next request. Ctrl-C stops everything; the data stay.
"
    );
}

fn welcome_to_better_auth() {
    let base = format!("{}/api/auth", better_auth::url(BETTER_AUTH_PORT));
    println!(
        "Better Auth is at {base}. Sign up and get a token of your own:

curl -s {base}/sign-up/email -c target/cookies -H 'Content-Type: application/json' \\
  -d '{{\"name\":\"Alice\",\"email\":\"alice@example.com\",\"password\":\"correct horse battery\"}}'

curl -s {base}/token -b target/cookies
"
    );
}
