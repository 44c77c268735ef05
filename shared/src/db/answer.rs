//! What an operation returns.

use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

use super::{DbError, Outcome};

/// What an operation returns: a record, in the only column of a row. A call in the list of columns costs Postgres much
/// less than one in FROM, whose rows it stores and reads again.
#[derive(Debug)]
pub struct Answer(Row);

impl Answer {
    /// The answer of a call.
    pub(super) fn of(rows: Vec<Row>) -> Result<Self, DbError> {
        rows.into_iter().next().map(Self).ok_or(DbError::NoRow)
    }

    /// The outcome, which is the first field.
    ///
    /// # Errors
    /// As [`Fields::field`].
    pub fn outcome(&self) -> Result<Outcome, DbError> {
        self.field(0)
    }
}

/// What an operation returned, field by field.
pub trait Fields {
    /// The field at this position.
    ///
    /// # Errors
    /// [`DbError::Unreadable`] when an answer has no such field, or one of another type. A row of a list panics then.
    fn field<'a, T: FromSql<'a>>(&'a self, index: usize) -> Result<T, DbError>;
}

impl Fields for Answer {
    fn field<'a, T: FromSql<'a>>(&'a self, index: usize) -> Result<T, DbError> {
        let record: Option<Record> = self.0.try_get(0).ok();
        record.and_then(|record| record.field(index)).ok_or(DbError::Unreadable(index))
    }
}

/// The rows of a list have a column for each field.
impl Fields for Row {
    fn field<'a, T: FromSql<'a>>(&'a self, index: usize) -> Result<T, DbError> {
        Ok(self.get(index))
    }
}

/// A record as Postgres sends it: the number of its fields, and of each its type, its length and its bytes. The length
/// of NULL is -1.
struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    fn field<T: FromSql<'a>>(&self, index: usize) -> Option<T> {
        let (_count, values) = take(self.0)?;
        let (kind, raw) = Values(values).nth(index)?;
        let kind = Type::from_oid(kind).filter(T::accepts)?;
        T::from_sql_nullable(&kind, raw).ok()
    }
}

/// The fields of a record: the type and the bytes of each, which NULL has not.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u32, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = take(self.0)?;
        let (length, rest) = take(rest)?;
        let length = i32::from_be_bytes(length);
        let (raw, rest) = if length == -1 {
            (None, rest)
        } else {
            let (raw, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Some(raw), rest)
        };
        self.0 = rest;
        Some((u32::from_be_bytes(kind), raw))
    }
}

fn take(bytes: &[u8]) -> Option<([u8; 4], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}

impl<'a> FromSql<'a> for Record<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::RECORD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_position_and_type() {
        let field = |kind: Type, raw: Option<&[u8]>| {
            let length = raw.map_or(-1, |raw| i32::try_from(raw.len()).unwrap());
            [&kind.oid().to_be_bytes(), &length.to_be_bytes(), raw.unwrap_or_default()].concat()
        };
        let fields = [field(Type::TEXT, Some(b"ok")), field(Type::TIMESTAMPTZ, None), field(Type::BOOL, Some(&[1]))];
        let bytes = [3_i32.to_be_bytes().to_vec(), fields.concat()].concat();
        let record = Record(&bytes);
        assert_eq!(record.field::<&str>(0), Some("ok"));
        assert_eq!(record.field::<Outcome>(0), Some(Outcome::Done));
        assert_eq!(record.field::<Option<chrono::DateTime<chrono::Utc>>>(1), Some(None));
        assert_eq!(record.field::<bool>(2), Some(true));
        assert_eq!(record.field::<bool>(3), None, "there are three");
        assert_eq!(record.field::<bool>(1), None, "NULL");
        assert_eq!(record.field::<i64>(2), None, "another type");
        for length in 0..bytes.len() {
            assert_eq!(Record(&bytes[..length]).field::<bool>(2), None, "{length} bytes");
        }
    }
}
