//! `PATCH /api/{user_id}/tasks/{id}/complete` and `/api/tasks/{id}/complete`: sets whether a task is completed, or toggles it.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{IfMatch, Request, Response},
    serve,
    tasks::{self, Completion, TaskId},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, (id, if_match, completion)) = app.authorize::<(TaskId, IfMatch, Completion)>(request).await?;
    let task = tasks::complete(&app.db, &owner, id, &completion, &if_match).await?;
    Ok(Response::ok_with_etag(&task))
}

fn main() -> ExitCode {
    serve("complete-task", handle)
}
