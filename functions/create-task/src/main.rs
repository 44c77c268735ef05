//! `POST /api/{user_id}/tasks` and `/api/tasks`: a new task.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{IdempotencyKey, Request, Response},
    serve,
    tasks::{self, NewTask},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, (key, new)) = app.authorize::<(Option<IdempotencyKey>, NewTask)>(request).await?;
    let created = tasks::create(&app.db, &owner, &new, key.as_ref(), app.max_tasks_per_user).await?;
    Ok(Response::created(request, &created.task.path(), &created.task, created.is_replay))
}

fn main() -> ExitCode {
    serve("create-task", handle)
}
