//! `DELETE /api/users/me`: deletes the caller and everything that belongs to the caller.

use std::process::ExitCode;

use shared::{
    App, Result,
    http::{Request, Response},
    serve, users,
};

async fn handle(app: &App, request: &Request) -> Result<Response> {
    let (owner, ()) = app.authorize_me(request).await?;
    users::delete(&app.db, &owner).await?;
    Ok(Response::message("User deleted"))
}

fn main() -> ExitCode {
    serve("delete-me", handle)
}
