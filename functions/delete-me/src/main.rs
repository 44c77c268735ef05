//! `DELETE /api/users/me`: removes the caller with everything that is theirs.

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
