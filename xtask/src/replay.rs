//! `cargo xtask replay`: runs the sample events through `cargo lambda watch` and `cargo lambda invoke`.

use std::fs;

use crate::{
    browser,
    events::{self, Event},
    lambda::{LOCALHOST, Output, Watch},
};
use anyhow::{Context, Result, anyhow};
use devtools::{
    build,
    postgres::{self, Server, ServerKind, free_port},
    settings::{Settings, root},
    ui::step,
};

/// Replays on a new server.
pub(crate) async fn run(only: Option<&str>) -> Result<()> {
    let events = events::read(only)?;
    build::debug().await?;
    let server = Server::start("replay", ServerKind::Throwaway).await?;
    let count = on(&server, &events, false).await?;
    println!("{count} passed, 0 failed");
    Ok(())
}

/// Replays on a server, in its database `postgres`, and returns how many events passed. Then uses the documentation,
/// if `documentation` is true.
pub(crate) async fn on(server: &Server, events: &[Event], documentation: bool) -> Result<usize> {
    let settings = Settings::of_events(&server.url("postgres"));
    let port = free_port()?;
    let watch = Watch::start(LOCALHOST, port, &settings, Output::File).await?;
    watch.migrate().await?;
    let fixture = root().join("events/fixture.sql");
    let fixture = fs::read_to_string(&fixture).with_context(|| fixture.display().to_string())?;
    let client = postgres::connect(&settings).await?;
    step(&format!("Replaying {} events", events.len()));
    let mut failures = Vec::new();
    for event in events {
        client.batch_execute(&fixture).await.context("events/fixture.sql")?;
        let got = watch.invoke_file(&event.function, &event.path).await?;
        let (holds, name) = (events::holds(&event.answer, &got), format!("{}/{}", event.function, event.name));
        println!("event {name} ... {}", if holds { "ok" } else { "FAILED" });
        if !holds {
            failures.push(format!("{name}\n  expected {}\n  got      {got}", event.answer));
        }
    }
    if failures.is_empty() {
        if documentation {
            client.batch_execute(&fixture).await.context("events/fixture.sql")?;
            browser::documentation(port, &settings).await?;
        }
        return Ok(events.len());
    }
    let (passed, failed) = (events.len() - failures.len(), failures.len());
    Err(anyhow!("{}\n\n{passed} passed, {failed} failed", failures.join("\n")))
}
