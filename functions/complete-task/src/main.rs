//! `PATCH /api/{user_id}/tasks/{id}/complete`: completes an open task, opens a completed one.

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
    let task = tasks::toggle(&app.db, owner, id).await?;
    Ok(Response::ok(&task))
}

fn main() -> ExitCode {
    serve("complete-task", handle)
}
