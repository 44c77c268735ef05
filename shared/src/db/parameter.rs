//! Types of this API as parameters of database calls.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::{Text, nullable::Nullable};

/// A parameter of a call and its Postgres type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl<const MIN: usize, const MAX: usize> ToSql for Text<MIN, MAX> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.as_str().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// Both null and an absent field become NULL. Another parameter of the call tells them apart.
impl<T: ToSql> ToSql for Nullable<T> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.value().map_or(Ok(IsNull::Yes), |value| value.to_sql(kind, out))
    }

    fn accepts(kind: &Type) -> bool {
        T::accepts(kind)
    }

    to_sql_checked!();
}
