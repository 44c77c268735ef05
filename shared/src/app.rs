//! What handlers work with.

use futures_util::join;

use crate::{
    Error, Result,
    auth::{Caller, Owner, Verifier},
    config::{ConfigError, Env, UsersTable},
    db::Db,
    http::{Input, Request},
    request_scope,
    tasks::DefaultSort,
    users,
};

/// What a handler needs from the environment, made once while the environment initialises.
pub trait State: Sized + Send + Sync + 'static {
    /// Makes the state.
    ///
    /// # Errors
    /// The variable that is missing or wrong.
    fn from_env(env: &Env) -> Result<Self, ConfigError>;

    /// Does ahead of the first request what it would have to wait for.
    fn warm_up(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

impl State for () {
    fn from_env(_: &Env) -> Result<Self, ConfigError> {
        Ok(())
    }
}

impl State for UsersTable {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.users_table()
    }
}

impl State for Db {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Self::new(&env.database()?, env.concurrency()).map_err(|error| ConfigError::database(&error))
    }

    async fn warm_up(&self) {
        Self::warm_up(self).await;
    }
}

/// A database that is not connected to before it is asked.
pub struct OnDemand(pub Db);

impl State for OnDemand {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Db::from_env(env).map(Self)
    }
}

/// What a route for users needs.
pub struct App {
    /// Runs the statement.
    pub db: Db,
    /// The most tasks that a user may have.
    pub max_tasks_per_user: i32,
    /// The order of a list that asks for none.
    pub default_sort: DefaultSort,
    auth: Verifier,
    users_table: UsersTable,
}

impl State for App {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            auth: Verifier::new(&env.auth()?),
            users_table: env.users_table()?,
            default_sort: DefaultSort::from_env(env)?,
            db: Db::from_env(env)?,
            max_tasks_per_user: env.max_tasks_per_user()?,
        })
    }

    async fn warm_up(&self) {
        join!(self.db.warm_up(), self.auth.warm_up());
    }
}

impl App {
    /// The owner that token and path agree on, and what else the handler needs from the request.
    /// Nothing here takes a connection, except for another user's path.
    ///
    /// # Errors
    /// In this order: the token, what is wrong with the request when its path names no user,
    /// [`Error::Forbidden`] for another user's path, what is wrong with the rest of the request.
    pub async fn authorize<T: Input>(&self, request: &Request) -> Result<(Owner, T)> {
        let caller = self.caller(request).await?;
        let checked = request.read_as(&caller);
        if let Err(Error::Forbidden) = checked
            && self.users_table != UsersTable::None
        {
            // A user who is gone is nobody (401) before a path is another's (403). Should the
            // database not tell, the path is another's in any case.
            if let Err(gone @ Error::Unauthenticated(_)) = users::require(&self.db, &caller.owner_of_me()).await {
                return Err(gone);
            }
        }
        checked
    }

    /// As [`App::authorize`], for a path that names the caller as `me`.
    ///
    /// # Errors
    /// [`Error::RouteNotFound`] where there is no users table, the token, or what is wrong with the request.
    pub async fn authorize_me<T: Input>(&self, request: &Request) -> Result<(Owner, T)> {
        if self.users_table == UsersTable::None {
            return Err(Error::RouteNotFound);
        }
        request.read_as_me(&self.caller(request).await?)
    }

    /// The caller whom the request's token names.
    async fn caller(&self, request: &Request) -> Result<Caller> {
        let caller = self.auth.verify(request.bearer_token()?).await?;
        request_scope::note_user(caller.id());
        Ok(caller)
    }
}
