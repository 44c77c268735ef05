//! `POST /api/{user_id}/tasks`: a new task.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve,
    tasks::{self, NewTask},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, new) = app.owner::<NewTask>(request).await?;
    let task = tasks::create(&app.db, owner, &new).await?;
    Ok(Response::created(task.path(), &task))
}

fn main() -> ExitCode {
    serve("create-task", handle)
}
