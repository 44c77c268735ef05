//! `DELETE /api/{user_id}/tasks/{id}`: removes a task.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve,
    tasks::{self, TaskId},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, id) = app.owner::<TaskId>(request).await?;
    tasks::delete(&app.db, owner, id).await?;
    Ok(Response::message("Task deleted"))
}

fn main() -> ExitCode {
    serve("delete-task", handle)
}
