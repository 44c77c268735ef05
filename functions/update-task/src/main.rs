//! `PUT /api/{user_id}/tasks/{id}`: changes what is sent and leaves the rest.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve,
    tasks::{self, TaskChanges, TaskId},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, (id, changes)) = app.owner::<(TaskId, TaskChanges)>(request).await?;
    let task = tasks::update(&app.db, owner, id, &changes).await?;
    Ok(Response::ok(&task))
}

fn main() -> ExitCode {
    serve("update-task", handle)
}
