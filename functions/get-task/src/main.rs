//! `GET /api/{user_id}/tasks/{id}` and `/api/tasks/{id}`: one task.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve,
    tasks::{self, TaskId},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, id) = app.authorize::<TaskId>(request).await?;
    let task = tasks::get(&app.db, &owner, id).await?;
    Ok(Response::ok_or_not_modified(&task, request))
}

fn main() -> ExitCode {
    serve("get-task", handle)
}
