//! `PATCH /api/users/me`: changes the caller's name or image.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve,
    users::{self, UserChanges},
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, changes) = app.authorize_me::<UserChanges>(request).await?;
    let user = users::update(&app.db, &owner, &changes).await?;
    Ok(Response::ok(&user))
}

fn main() -> ExitCode {
    serve("update-me", handle)
}
