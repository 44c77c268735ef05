//! `DELETE /api/{user_id}/tasks/{id}` and `/api/tasks/{id}`: removes a task.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{IfMatch, Request, Response},
    serve,
    tasks::{self, TaskId},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, (id, if_match)) = app.authorize::<(TaskId, IfMatch)>(request).await?;
    tasks::delete(&app.db, &owner, id, &if_match).await?;
    Ok(Response::message("Task deleted"))
}

fn main() -> ExitCode {
    serve("delete-task", handle)
}
