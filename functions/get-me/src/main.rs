//! `GET /api/users/me`: the caller.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve, users,
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, ()) = app.authorize_me(request).await?;
    let user = users::get(&app.db, &owner).await?;
    Ok(Response::ok(&user))
}

fn main() -> ExitCode {
    serve("get-me", handle)
}
