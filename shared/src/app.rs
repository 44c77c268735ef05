//! The state that handlers work with.

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

/// The state of a handler, made once from the environment variables while the execution environment starts.
pub trait State: Sized + Send + Sync + 'static {
    /// Makes the state.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is missing or wrong.
    fn from_env(env: &Env) -> Result<Self, ConfigError>;

    /// Does work before the first request that the request would otherwise wait for, such as connecting. `_writes`
    /// is whether requests change something.
    fn warm_up(&self, _writes: bool) -> impl Future<Output = ()> + Send {
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

    async fn warm_up(&self, writes: bool) {
        Self::warm_up(self, writes).await;
    }
}

/// A database without a connection at start: the first request opens it.
pub struct OnDemand(pub Db);

impl State for OnDemand {
    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Db::from_env(env).map(Self)
    }
}

/// The state of a route that needs a token.
pub struct App {
    /// The database.
    pub db: Db,
    /// The most tasks that a user may have.
    pub max_tasks_per_user: i32,
    /// The order of a list when the request names no order.
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

    async fn warm_up(&self, writes: bool) {
        join!(self.db.warm_up(writes), self.auth.warm_up());
    }
}

impl App {
    /// Verifies the token, and returns the owner that token and path agree on, which is the caller where the path names
    /// nobody, and the input that the handler needs.
    /// This uses a database connection only when the path is another user's.
    ///
    /// # Errors
    /// The first of these that applies: a bad token; a problem with the request, when what its path has for a user is no id;
    /// [`Error::Forbidden`] for another user's path; a problem with the rest of the request.
    pub async fn authorize<T: Input>(&self, request: &Request) -> Result<(Owner, T)> {
        let caller = self.caller(request).await?;
        let checked = request.read_as(&caller);
        if let Err(Error::Forbidden) = checked
            && self.users_table != UsersTable::None
        {
            // A deleted user gets 401, even for another user's path, which gets 403 otherwise. If the database does
            // not answer, the answer is the 403.
            if let Err(gone @ Error::Unauthenticated(_)) = users::require(&self.db, &caller.owner_of_me()).await {
                return Err(gone);
            }
        }
        checked
    }

    /// As [`App::authorize`], for a path that names the caller as `me`.
    ///
    /// # Errors
    /// [`Error::RouteNotFound`] when there is no users table, a bad token, or a problem with the request.
    pub async fn authorize_me<T: Input>(&self, request: &Request) -> Result<(Owner, T)> {
        if self.users_table == UsersTable::None {
            return Err(Error::RouteNotFound);
        }
        request.read_as_me(&self.caller(request).await?)
    }

    /// The caller that the request's token names.
    async fn caller(&self, request: &Request) -> Result<Caller> {
        let caller = self.auth.verify(request.bearer_token()?).await?;
        request_scope::note_user(caller.id());
        Ok(caller)
    }
}
