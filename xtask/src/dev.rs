//! `cargo xtask dev`: the API on this machine.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpListener},
};

use anyhow::{Result, bail};
use devtools::{
    build,
    postgres::{self, Cluster, Server, ServerKind},
    settings::Settings,
    token, tools,
    ui::step,
};

use crate::{
    better_auth::{self, BetterAuth},
    demo,
    frontend::{self, Frontend, Mode},
    lambda::{LOCALHOST, Output, Watch},
};

/// The name of the data folder for development.
const DATA: &str = "dev";

/// Better Auth's port.
const BETTER_AUTH_PORT: u16 = 3005;

/// The database for the application in `examples/nextjs`. The application's users have another kind of ids than
/// those of the API alone.
const FRONTEND_DATABASE: &str = "frontend";

/// How long the printed token is valid: 30 days.
const TOKEN_HOURS: u32 = 30 * 24;

/// The options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The address of this machine to listen on: the one by which other machines reach it, or 0.0.0.0 for all
    #[arg(long, default_value_t = LOCALHOST)]
    host: IpAddr,
    /// The port to listen on
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Empty the local databases first
    #[arg(long)]
    reset: bool,
    /// Start a Better Auth on port 3005 as well: users can sign up
    #[arg(long)]
    with_better_auth: bool,
    /// Start the application in examples/nextjs as well, over a database of its own
    #[arg(long, conflicts_with = "with_better_auth")]
    with_frontend: bool,
    /// The port of the application
    #[arg(long, default_value_t = 3000, requires = "with_frontend")]
    frontend_port: u16,
}

/// Runs until it is interrupted.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let &Options { host, port, .. } = options;
    check_port(host, port, "Stop it, or choose another with --port.")?;
    let mut settings = Settings::read()?;
    let frontend = if options.with_frontend { Some(options.prepare_frontend(&mut settings)?) } else { None };
    settings.set_default("CORS_ORIGINS", "http://localhost:3000,http://localhost:5173");
    if options.with_better_auth {
        check_port(LOCALHOST, BETTER_AUTH_PORT, "Stop it.")?;
        if settings.get("BETTER_AUTH_URL").is_some() {
            bail!("--with-better-auth starts one, and BETTER_AUTH_URL names another.");
        }
        settings.set("BETTER_AUTH_URL", &better_auth::url(BETTER_AUTH_PORT));
    }
    settings.check()?;
    // Before the long build, so that a missing tool is reported at once.
    tools::cargo_lambda().await?;
    if options.with_better_auth {
        better_auth::prepare().await?;
    }
    if options.with_frontend {
        frontend::prepare().await?;
    }
    let database = if options.with_frontend { FRONTEND_DATABASE } else { "postgres" };
    let server = start_database(&mut settings, database, options.reset).await?;
    // So that no request waits for the compiler.
    build::debug().await?;
    let mut watch = Watch::start(host, port, &settings, Output::Terminal).await?;
    watch.migrate().await?;
    if let Some(Addresses { host, app, api }) = frontend {
        let _frontend = Frontend::start(Mode::Development, &host, options.frontend_port, &api, &settings).await?;
        println!("\nOpen {app}\n\nChanged code is used by the next request. Ctrl-C stops everything; the data stay.\n");
        return Err(watch.ended().await);
    }
    let address = SocketAddr::new(if host.is_unspecified() { LOCALHOST } else { host }, port);
    let _better_auth =
        if options.with_better_auth { Some(BetterAuth::start(BETTER_AUTH_PORT, &settings).await?) } else { None };
    let database = settings.get("DATABASE_URL").unwrap_or_default();
    // A database of the user's own gets no demo rows.
    let user = match &server {
        Some(_) => demo::user(&postgres::connect(&settings).await?, &settings).await?,
        None => None,
    };
    match user {
        Some(user) => welcome(address, &user, &token::mint(&settings, &user, TOKEN_HOURS)?, database),
        None => println!(
            "
The task API is at http://{address}. It has made no user in your database: take the id of one, and

cargo xtask token --user <id>

prints a token for it, with the same variables as this command.
"
        ),
    }
    if options.with_better_auth {
        welcome_to_better_auth();
    }
    Err(watch.ended().await)
}

/// The addresses of the parts that the application connects.
struct Addresses {
    /// The host name or address that the application listens on.
    host: String,
    app: String,
    api: String,
}

impl Options {
    /// Sets the values that the application and the API must agree on.
    fn prepare_frontend(&self, settings: &mut Settings) -> Result<Addresses> {
        // Not 127.0.0.1: users type localhost, and a cookie is valid for one of the two only.
        let host = if self.host == LOCALHOST { "localhost".to_owned() } else { self.host.to_string() };
        if self.host.is_unspecified() {
            bail!("--with-frontend needs the address by which browsers reach this machine: --host 192.168.1.5, say.");
        }
        if self.host.is_ipv6() {
            bail!("--with-frontend needs an IPv4 address for --host.");
        }
        check_port(self.host, self.frontend_port, "Stop it, or choose another with --frontend-port.")?;
        if settings.get("BETTER_AUTH_URL").is_some() {
            bail!("--with-frontend has a Better Auth inside, and BETTER_AUTH_URL names another.");
        }
        let app = format!("http://{host}:{}", self.frontend_port);
        settings.set("BETTER_AUTH_URL", &app);
        settings.set_default("CORS_ORIGINS", &app);
        // Better Auth's default.
        settings.set_default("USER_IDS", "text");
        Ok(Addresses { api: format!("http://{}:{}", self.host, self.port), host, app })
    }
}

fn check_port(host: IpAddr, port: u16, advice: &str) -> Result<()> {
    match TcpListener::bind((host, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("Port {port} is taken: is another `cargo xtask dev` running? {advice}")
        }
        Err(error) => bail!("{host}:{port} cannot be listened on: {error}"),
    }
}

/// Connects to the database in `DATABASE_URL`. Without it, starts a server and uses the database called `name`
/// there.
async fn start_database(settings: &mut Settings, name: &str, reset: bool) -> Result<Option<Server>> {
    if settings.get("DATABASE_URL").is_some() {
        if reset {
            bail!("--reset empties the local databases only, and DATABASE_URL names another.");
        }
        step("Using the database that DATABASE_URL names");
        postgres::connect(settings).await?;
        return Ok(None);
    }
    if reset {
        step("Removing the local databases");
        Cluster::named(DATA).await?.reset()?;
    }
    let server = Server::start(DATA, ServerKind::Durable).await?;
    postgres::create_database(&server, name).await?;
    settings.set("DATABASE_URL", &server.url(name));
    // Migrations run there too, even if `.env` names another database for them.
    settings.set("DATABASE_URL_UNPOOLED", &server.url(name));
    Ok(Some(server))
}

fn welcome(address: SocketAddr, user: &str, token: &str, database: &str) {
    let (base, header) = (format!("http://{address}"), format!("'Authorization: Bearer {token}'"));
    // A password is not shown, because somebody may look over the user's shoulder. A local URL has no password and
    // is shown completely.
    let shown = match database.rsplit_once('@') {
        Some((login, rest)) if login.split_once("://").is_some_and(|(_, user)| user.contains(':')) => rest,
        _ => database,
    };
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

The first answer has your id, the second a token: take both for the curl lines above.
"
    );
}
