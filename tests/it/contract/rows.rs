//! The rows of the fixture, and the changes that a case makes.

use serde_json::{Map, Value, json};
use tests::postgres::Database;

use super::data::Fixture;

/// Resets the rows to those of the fixture.
pub async fn reset(database: &Database, fixture: &Fixture) {
    let records = |columns: &[String], rows: &[Vec<Value>]| {
        let record = |row: &Vec<Value>| columns.iter().cloned().zip(row.iter().cloned()).collect::<Map<_, _>>();
        Value::from(rows.iter().map(record).map(Value::Object).collect::<Vec<_>>())
    };
    database.execute(r#"TRUNCATE "user" CASCADE; ALTER SEQUENCE task_id_seq RESTART 5001"#).await;
    for (table, records) in [
        (r#""user""#, records(&fixture.user_columns, &fixture.users)),
        ("task", records(&fixture.task_columns, &fixture.tasks)),
    ] {
        let sql = format!("INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1::text::json)");
        database.client.execute(&sql, &[&records.to_string()]).await.expect("the fixture");
    }
}

/// The rows that differ from the fixture, by table and id. A deleted row is null.
pub async fn changes(database: &Database, fixture: &Fixture) -> Value {
    let mut changes = Map::new();
    for (table, columns, rows) in
        [("user", &fixture.user_columns, &fixture.users), ("task", &fixture.task_columns, &fixture.tasks)]
    {
        let sql = format!(
            r#"SELECT COALESCE(json_object_agg(id, to_jsonb(t) - 'search_bytes'), '{{}}')::text FROM "{table}" AS t"#
        );
        let now: Map<String, Value> =
            serde_json::from_str(&database.value::<String>(&sql).await).expect("the rows as JSON");
        let before: Map<String, Value> = rows
            .iter()
            .map(|row| {
                (
                    row[0].as_str().map_or_else(|| row[0].to_string(), str::to_owned),
                    columns.iter().cloned().zip(row.iter().cloned()).collect(),
                )
            })
            .collect();
        let mut of_table = Map::new();
        for (id, row) in &now {
            if before.get(id).is_none_or(|before| !super::compare::same(before, row)) {
                of_table.insert(id.clone(), row.clone());
            }
        }
        for id in before.keys().filter(|id| !now.contains_key(*id)) {
            of_table.insert(id.clone(), Value::Null);
        }
        if !of_table.is_empty() {
            changes.insert(table.into(), of_table.into());
        }
    }
    json!(changes)
}
