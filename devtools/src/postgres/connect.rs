//! Connections to databases.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use shared::db;
use tokio_postgres::{Client, Config};

use super::Server;
use crate::settings::Settings;

/// Connects to the database of these settings.
pub async fn connect(settings: &Settings) -> Result<Client> {
    let config = settings.env().database().map_err(|error| anyhow!(error.to_string()))?;
    let (client, connection) = db::with_defaults(&config)
        .connect(db::tls(&config).context("TLS")?)
        .await
        .map_err(|error| anyhow!("No connection to DATABASE_URL: {}", shared::telemetry::causes(&error).join(": ")))?;
    tokio::spawn(connection);
    Ok(client)
}

/// Creates a database on a server, unless it exists.
pub async fn create_database(server: &Server, name: &str) -> Result<()> {
    let client = connect(&Settings::of_events(&server.url("postgres"))).await?;
    let is_there = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await?.is_some();
    if !is_there {
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// Connects over TLS, trusting only the certificate in this PEM file.
pub async fn connect_over_tls(config: &Config, certificate: &Path) -> Result<Client> {
    let pem = std::fs::read(certificate).with_context(|| certificate.display().to_string())?;
    let root = native_tls::Certificate::from_pem(&pem).with_context(|| certificate.display().to_string())?;
    let tls = native_tls::TlsConnector::builder().add_root_certificate(root).build().context("TLS")?;
    let (client, connection) = config.connect(postgres_native_tls::MakeTlsConnector::new(tls)).await?;
    tokio::spawn(connection);
    Ok(client)
}
