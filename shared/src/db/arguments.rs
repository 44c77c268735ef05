//! The arguments of a statement that is put together from what a request asks for.

use tokio_postgres::types::{ToSql, Type};

use super::Parameter;

/// The arguments after `$1`, who is the owner.
#[derive(Default)]
pub struct Arguments(Vec<(Box<dyn ToSql + Sync + Send>, Type)>);

impl Arguments {
    /// Adds one, and answers what the statement calls it, such as `$2`.
    pub fn push(&mut self, value: impl ToSql + Sync + Send + 'static, kind: Type) -> String {
        self.0.push((Box::new(value), kind));
        format!("${}", self.0.len() + 1)
    }

    /// All of them, for [`super::Db::query`].
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter<'_>> {
        self.0.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }
}
