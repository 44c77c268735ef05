//! `PUT /api/{user_id}/tasks/{id}` and `/api/tasks/{id}`: changes the fields that are sent.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{IfMatch, Request, Response},
    serve,
    tasks::{self, TaskChanges, TaskId},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, (id, if_match, changes)) = app.authorize::<(TaskId, IfMatch, TaskChanges)>(request).await?;
    let task = tasks::update(&app.db, &owner, id, &changes, &if_match).await?;
    Ok(Response::ok_with_etag(&task))
}

fn main() -> ExitCode {
    serve("update-task", handle)
}
