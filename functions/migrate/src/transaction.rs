//! Runs refinery's runner within one transaction.
//!
//! By itself, refinery commits after each migration, or runs all of them together and cannot say which one failed.
//! On this type it runs them one by one, each in a savepoint, and the owner of the transaction commits them all.

use refinery::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio_postgres::{Error, Transaction};

pub(crate) struct OneTransaction<'a>(pub(crate) Transaction<'a>);

impl AsyncTransaction for OneTransaction<'_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize, Error> {
        let mut count = 0;
        for query in queries {
            self.0.batch_execute(query).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for OneTransaction<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Error> {
        let rows = self.0.query(query, &[]).await?;
        // refinery wrote these rows. If somebody else has broken a checksum, it counts as 0, which differs from the
        // file's.
        Ok(rows
            .iter()
            .map(|row| {
                let (applied_on, checksum): (String, String) = (row.get(2), row.get(3));
                let applied_on = OffsetDateTime::parse(&applied_on, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
                Migration::applied(row.get(0), row.get(1), applied_on, checksum.parse().unwrap_or_default())
            })
            .collect())
    }
}

impl AsyncMigrate for OneTransaction<'_> {}
