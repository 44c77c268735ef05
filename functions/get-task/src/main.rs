//! `GET /api/{user_id}/tasks/{id}`: one task.

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
    let task = tasks::get(&app.db, owner, id).await?;
    Ok(Response::ok(&task))
}

fn main() -> ExitCode {
    serve("get-task", handle)
}
