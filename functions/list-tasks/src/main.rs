//! `GET /api/{user_id}/tasks` and `/api/tasks`: the owner's tasks, a page at a time.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve,
    tasks::{self, ListQuery},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, query) = app.authorize::<ListQuery>(request).await?;
    let page = tasks::list(&app.db, &owner, &query, app.default_sort).await?;
    Ok(Response::page(request, page.body, page.next))
}

fn main() -> ExitCode {
    serve("list-tasks", handle)
}
