//! `DELETE /api/{user_id}/tasks/{id}`: removes a task.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve,
    tasks::{self, TaskId},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let caller = app.auth.caller(request)?;
    let (owner, id) = request.of_owner::<TaskId>(caller)?;
    tasks::delete(&app.db, owner, id).await?;
    Ok(Response::message("Task deleted"))
}

fn main() -> ExitCode {
    serve("delete-task", handle)
}
