//! How often a call goes to the database and waits, counted on the wire.

use anyhow::Result;
use tests::proxy::Proxy;

use crate::{data::Database, process::Process, subject::Subject};

/// Calls that are counted.
const CALLS: u16 = 10;

/// Flights per call of each subject.
pub(crate) async fn measure(subjects: &mut [Subject], database: &Database) -> Result<Vec<f64>> {
    let port = database.port()?;
    let proxy = Proxy::before(port).await;
    let watched = database.url.replacen(&format!(":{port}/"), &format!(":{}/", proxy.port()), 1);
    let mut results = Vec::new();
    for subject in subjects {
        let mut launch = subject.launch.clone();
        for (_, value) in launch.variables.iter_mut().filter(|(name, _)| name == "DATABASE_URL") {
            value.clone_from(&watched);
        }
        let mut process = Process::start(&launch).await?;
        subject.call(&mut process).await?;
        proxy.forget();
        for _ in 0..CALLS {
            subject.call(&mut process).await?;
        }
        let round_trips = u32::try_from(proxy.round_trips()).unwrap_or(u32::MAX);
        results.push(f64::from(round_trips) / f64::from(CALLS));
        process.stop().await?;
    }
    Ok(results)
}
