//! The baseline with a database: Lambda's runtime, one connection, and one plain statement on a table without row-level
//! security. It verifies no token, checks no input, keeps no deadline and writes no log.

use std::{collections::BTreeMap, env, str::FromStr};

use chrono::{DateTime, Utc};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use native_tls::TlsConnector;
use postgres_native_tls::MakeTlsConnector;
use serde::{Serialize, de::IgnoredAny};
use tokio_postgres::{Client, Config, NoTls, Row, config::SslMode, types::Type};

const LIST: &str = "
    SELECT id, title, description, completed, user_id, created_at, updated_at
    FROM plain_task
    WHERE user_id = $1
    ORDER BY id
    LIMIT 1001";
const GET: &str = "
    SELECT id, title, description, completed, user_id, created_at, updated_at
    FROM plain_task
    WHERE id = $1";
const UPDATE: &str = "
    UPDATE plain_task
    SET title = $2, updated_at = now()
    WHERE id = $1
    RETURNING id, title, description, completed, user_id, created_at, updated_at";

const INSERT: &str = "
    INSERT INTO plain_task (user_id, title)
    VALUES ($1, $2)
    RETURNING id, title, description, completed, user_id, created_at, updated_at";

/// The statement, with the id of the user or of the task.
enum Statement {
    List(i32),
    Get(i64),
    Update(i64),
    Insert(i32),
}

impl Statement {
    /// Reads the name of the statement from `BASELINE_STATEMENT` and the id from `BASELINE_ID`.
    fn from_env() -> Result<Self, Error> {
        let id = env::var("BASELINE_ID")?;
        match env::var("BASELINE_STATEMENT")?.as_str() {
            "list" => Ok(Self::List(id.parse()?)),
            "get" => Ok(Self::Get(id.parse()?)),
            "update" => Ok(Self::Update(id.parse()?)),
            "insert" => Ok(Self::Insert(id.parse()?)),
            other => Err(format!("BASELINE_STATEMENT: {other}").into()),
        }
    }

    async fn run(&self, client: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self {
            Self::List(user) => client.query_typed(LIST, &[(user, Type::INT4)]).await,
            Self::Get(id) => client.query_typed(GET, &[(id, Type::INT8)]).await,
            Self::Insert(user) => {
                client.query_typed(INSERT, &[(user, Type::INT4), (&"Another title", Type::TEXT)]).await
            }
            Self::Update(id) => client.query_typed(UPDATE, &[(id, Type::INT8), (&"Another title", Type::TEXT)]).await,
        }
    }
}

#[derive(Serialize)]
struct Task<'a> {
    id: i64,
    title: &'a str,
    description: Option<&'a str>,
    completed: bool,
    user_id: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl<'a> Task<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            id: row.get(0),
            title: row.get(1),
            description: row.get(2),
            completed: row.get(3),
            user_id: row.get(4),
            created_at: row.get(5),
            updated_at: row.get(6),
        }
    }
}

/// The answer to API Gateway.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    headers: BTreeMap<&'static str, &'static str>,
    body: String,
}

async fn answer(client: &Client, statement: &Statement) -> Result<Answer, Error> {
    let rows = statement.run(client).await?;
    let body = serde_json::to_string(&rows.iter().map(Task::of).collect::<Vec<_>>())?;
    Ok(Answer { status_code: 200, headers: BTreeMap::from([("content-type", "application/json")]), body })
}

async fn connect() -> Result<Client, Error> {
    let config = Config::from_str(&env::var("DATABASE_URL")?)?;
    if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(MakeTlsConnector::new(TlsConnector::new()?)).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn main() -> Result<(), Error> {
    // One thread, as the functions have.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (statement, client) = (Statement::from_env()?, connect().await?);
        let (statement, client) = (&statement, &client);
        lambda_runtime::run(service_fn(async |_: LambdaEvent<IgnoredAny>| answer(client, statement).await)).await
    })
}
