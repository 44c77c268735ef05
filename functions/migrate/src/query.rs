//! Queries about the objects in the database.

use tokio_postgres::{
    Row, Transaction,
    types::{ToSql, Type},
};

use crate::failure::Failure;

/// From here on, only Postgres's own functions and operators have no schema in their names. The search path also affects
/// what Postgres prints, and so the fingerprints.
pub(crate) async fn fix_search_path(transaction: &Transaction<'_>) -> Result<(), Failure> {
    transaction.batch_execute("SET LOCAL search_path = pg_catalog, pg_temp").await.map_err(Failure::database)
}

/// The single value of a query.
pub(crate) async fn query<T: for<'a> tokio_postgres::types::FromSql<'a>>(
    transaction: &Transaction<'_>,
    sql: &str,
) -> Result<T, Failure> {
    Ok(transaction.query_one(sql, &[]).await.map_err(Failure::database)?.get(0))
}

/// The single value of a query with a text parameter.
pub(crate) async fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(
    transaction: &Transaction<'_>,
    sql: &str,
    text: &str,
) -> Result<T, Failure> {
    let row = first_row(transaction, sql, text).await?;
    row.map(|row| row.get(0)).ok_or_else(|| Failure::Database("a query has no row".into()))
}

/// Expressions for the columns of a table `c` and their types. In a query for [`find_table`], `{{columns}}` stands
/// for them.
const COLUMNS: &str = "ARRAY(
            SELECT a.attname::TEXT
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum
        ) AS column_names,
        ARRAY(
            SELECT format_type(COALESCE(NULLIF(t.typbasetype, 0), t.oid), NULL)
            FROM pg_catalog.pg_attribute AS a
            JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum
        ) AS column_types";

/// Reads the columns and their types from the row of such a query.
pub(crate) fn columns(row: &Row) -> Vec<(String, String)> {
    let (names, types): (Vec<String>, Vec<String>) = (row.get("column_names"), row.get("column_types"));
    names.into_iter().zip(types).collect()
}

/// Goes back to the login's own search path, for names that a person has written. Nothing else may be called then.
pub(crate) async fn use_own_search_path(transaction: &Transaction<'_>) -> Result<(), Failure> {
    transaction.batch_execute("SET LOCAL search_path TO DEFAULT").await.map_err(Failure::database)
}

/// Finds a table on the login's search path by its quoted name, and runs a query about it.
pub(crate) async fn find_table(transaction: &Transaction<'_>, name: &str, sql: &str) -> Result<Option<Row>, Failure> {
    use_own_search_path(transaction).await?;
    let number = first_row(transaction, "SELECT pg_catalog.to_regclass($1)::pg_catalog.OID", name).await?;
    fix_search_path(transaction).await?;
    let Some(number) = number.and_then(|row| row.get::<_, Option<u32>>(0)) else { return Ok(None) };
    first_row(transaction, &sql.replace("{{columns}}", COLUMNS), &number.to_string()).await
}

/// The first row of a query with a text parameter, if there is a row.
pub(crate) async fn first_row(transaction: &Transaction<'_>, sql: &str, text: &str) -> Result<Option<Row>, Failure> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&text, Type::TEXT)];
    let rows = transaction.query_typed(sql, &parameters).await.map_err(Failure::database)?;
    Ok(rows.into_iter().next())
}
