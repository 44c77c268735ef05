//! Copies the tasks of an earlier backend from its table. The table itself is not changed.

use serde::{Deserialize, Serialize};
use shared::{auth::UserIds, release::ReleaseSql};
use tokio_postgres::{Row, Transaction};

use crate::{failure::Failure, query};

/// The names of the tasks' table if the event has no name: `SQLModel` gives these to a class `Task` or `Tasks`.
const USUAL_NAMES: [&str; 2] = ["task", "tasks"];

/// How many ids the report shows for each reason why rows do not fit.
const EXAMPLES: usize = 10;

/// Which tasks to copy, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Adoption {
    /// The table or view, with or without its schema.
    pub(crate) from: Option<String>,
    /// Report what would be copied, without copying.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Copy the rows that fit, even when others do not fit.
    #[serde(default)]
    pub(crate) leave_unfit: bool,
}

/// What was copied, or what a copy would do.
#[derive(Debug, Serialize)]
pub(crate) struct Adopted {
    from: String,
    dry_run: bool,
    /// The number of rows in the table.
    rows: i64,
    /// The number of rows that became tasks.
    taken: i64,
    /// The number of rows that were copied by an earlier run.
    already_there: i64,
    /// The rows that do not fit.
    unfit: Vec<Unfit>,
    /// Columns of the table that tasks do not have.
    ignored_columns: Vec<String>,
}

/// Rows that cannot become tasks, for one reason.
#[derive(Debug, Serialize)]
struct Unfit {
    reason: String,
    rows: i64,
    /// The lowest ids of these rows.
    ids: Vec<i64>,
}

/// The reason for rows that an earlier run has copied.
const ALREADY_THERE: &str = "already there";

/// What Postgres knows about a table or view. `$1` is its OID.
const FIND: &str = "
    SELECT
        format('%I.%I', n.nspname, c.relname) AS table_name,
        CURRENT_USER::TEXT AS migrator,
        has_table_privilege(c.oid, 'SELECT') AS may_read,
        row_security_active(c.oid) AS hides_rows,
        {{columns}}
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = $1::pg_catalog.OID AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'task_api'";

/// A table or view with tasks.
struct Source {
    table: String,
    columns: Vec<(String, String)>,
}

/// Checks that there are tables to adopt into.
pub(crate) async fn check(transaction: &Transaction<'_>) -> Result<(), Failure> {
    let there = "SELECT 1 WHERE to_regclass($1) IS NOT NULL";
    if query::first_row(transaction, there, "task_api.task").await?.is_some() {
        return Ok(());
    }
    let problem = "there is no table for the tasks yet: invoke this function with {\"action\": \"up\"} first";
    Err(Failure::Schema(problem.into()))
}

/// Copies the tasks, in the transaction of the migrations.
pub(crate) async fn adopt(
    transaction: &Transaction<'_>,
    adoption: &Adoption,
    names: &ReleaseSql,
) -> Result<Adopted, Failure> {
    let fail = |problem: String| Failure::Schema(problem);
    let source = find(transaction, adoption.from.as_deref()).await?;
    let select = source.select(names).map_err(|problem| fail(format!("{} {problem}", source.table)))?;
    // A timestamp without a time zone is in UTC.
    transaction.batch_execute("SET LOCAL timezone = 'UTC'").await.map_err(Failure::database)?;
    let take = if adoption.dry_run {
        ""
    } else {
        ", taken AS (
            INSERT INTO task_api.task (id, title, description, completed, user_id, created_at, updated_at)
            SELECT s.id, s.title, s.description, s.completed, s.owner, s.created_at, s.updated_at
            FROM source AS s
            WHERE s.reason IS NULL
        )"
    };
    let sql = format!(
        "WITH source AS MATERIALIZED ({select}){take}
        SELECT s.reason, count(*), (array_agg(s.id ORDER BY s.id) FILTER (WHERE s.id IS NOT NULL))[1:{EXAMPLES}]
        FROM source AS s
        GROUP BY s.reason
        ORDER BY s.reason"
    );
    let groups = transaction.query(&sql, &[]).await.map_err(Failure::schema)?;
    let adopted = source.report(&groups, adoption.dry_run);
    if !adopted.unfit.is_empty() && !adoption.dry_run && !adoption.leave_unfit {
        let reasons: Vec<_> =
            adopted.unfit.iter().map(|unfit| format!("{} rows: {}", unfit.rows, unfit.reason)).collect();
        return Err(fail(format!(
            "not every row of {} can be a task ({}): see which with \"dry_run\": true, and mend them, or leave them \
             where they are with \"leave_unfit\": true",
            adopted.from,
            reasons.join("; "),
        )));
    }
    if !adoption.dry_run {
        // New tasks get ids above all of these, including those that were not copied: they may be repaired and
        // copied later, and going back to the earlier backend must not meet a duplicate id. Ids stay below 2^53,
        // because JavaScript counts exactly only up to there.
        let sequence = format!(
            "SELECT setval('task_api.task_id_seq', newest.id)
            FROM (
                SELECT max(ids.id) AS id
                FROM (SELECT t.id FROM task_api.task AS t UNION ALL SELECT old.id FROM {} AS old) AS ids
                WHERE ids.id < 9007199254740992
            ) AS newest, task_api.task_id_seq AS sequence
            WHERE newest.id >= sequence.last_value",
            source.table
        );
        transaction.query(&sequence, &[]).await.map_err(Failure::database)?;
    }
    Ok(adopted)
}

/// The table that the event names, or else the only table with one of the usual names.
async fn find(transaction: &Transaction<'_>, from: Option<&str>) -> Result<Source, Failure> {
    let fail = |problem: String| Err(Failure::Schema(problem));
    let candidates = from.map_or(USUAL_NAMES.to_vec(), |from| vec![from]);
    let mut found = Vec::new();
    for name in &candidates {
        let parts: Vec<_> = name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
        found.extend(query::find_table(transaction, &parts.join("."), FIND).await?);
    }
    let row = match found.as_slice() {
        [row] => row,
        [] => return fail(format!("there is no table {}: name it with \"from\"", candidates.join(" or "))),
        _ => return fail("there are both task and tasks: say which with \"from\"".into()),
    };
    let (table, migrator): (String, String) = (row.get("table_name"), row.get("migrator"));
    if !row.get::<_, bool>("may_read") {
        return fail(format!("{migrator} may not read {table}: run GRANT SELECT ON {table} TO \"{migrator}\""));
    }
    if row.get("hides_rows") {
        return fail(format!(
            "{table} hides rows from {migrator} by row-level security: have an administrator run ALTER ROLE \"{migrator}\" BYPASSRLS"
        ));
    }
    Ok(Source { table, columns: query::columns(row) })
}

impl Source {
    fn kind(&self, column: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, kind)| kind.as_str())
    }

    /// A query for the rows as tasks. Each row has the reason why it cannot become a task, or NULL.
    fn select(&self, names: &ReleaseSql) -> Result<String, String> {
        const TIMES: [&str; 3] = ["timestamp with time zone", "timestamp without time zone", "date"];
        let view = "where the columns have other names or types, make a view with these and name it with \"from\"";
        for (column, types) in [
            ("id", &["smallint", "integer", "bigint"][..]),
            ("title", &["text", "character varying"]),
            ("user_id", &["smallint", "integer", "bigint", "text", "character varying", "uuid"]),
            // Under another name it would be lost, and every task would be open.
            ("completed", &["boolean"]),
        ] {
            if !self.kind(column).is_some_and(|kind| types.contains(&kind)) {
                return Err(format!("has no column {column} of the type {}: {view}", types.join(" or ")));
            }
        }
        let optional = |column: &str, types: &[&str], absent: &str| match self.kind(column) {
            Some(kind) if types.contains(&kind) => Ok(format!("old.{column}")),
            Some(kind) => Err(format!("has a column {column} of the type {kind}: {view}")),
            None => Ok(absent.to_owned()),
        };
        let description = optional("description", &["text", "character varying"], "NULL::TEXT")?;
        let created_at = optional("created_at", &TIMES, "NULL::TIMESTAMPTZ")?;
        let updated_at = optional("updated_at", &TIMES, "NULL::TIMESTAMPTZ")?;
        let owner = owner(names.user_ids, self.kind("user_id").unwrap_or_default());
        let user_exists = match &names.users {
            Some(users) => format!("EXISTS (SELECT FROM {} AS u WHERE u.id = old.owner)", users.table),
            None => "TRUE".to_owned(),
        };
        Ok(format!(
            "SELECT
                old.id, old.title, old.description, old.completed, old.owner, old.created_at, old.updated_at,
                CASE
                    WHEN t.user_id = old.owner AND (
                        t.created_at = old.known_since OR (old.known_since IS NULL AND t.title = old.title)
                    ) THEN '{ALREADY_THERE}'
                    WHEN t.id IS NOT NULL THEN 'the id is another task''s'
                    WHEN (old.id BETWEEN 1 AND 4611686018427387904) IS NOT TRUE THEN 'the id is no positive number'
                    WHEN count(*) OVER (PARTITION BY old.id) > 1 THEN 'the id is there twice'
                    WHEN old.owner IS NULL THEN 'user_id is no id of the kind that USER_IDS says'
                    WHEN NOT {user_exists} THEN 'the user is not in the users table'
                    WHEN old.title IS NULL OR length(old.title) > 255 THEN 'the title is missing or longer than 255 characters'
                    WHEN length(old.description) > 1000 THEN 'the description is longer than 1000 characters'
                    WHEN NOT old.created_at BETWEEN '0001-01-01Z' AND '9999-12-31Z'
                        OR NOT old.updated_at BETWEEN '0001-01-01Z' AND '9999-12-31Z' THEN 'a time is no date'
                END AS reason
            FROM (
                SELECT
                    old.id::BIGINT AS id, old.title::TEXT AS title, {description}::TEXT AS description,
                    COALESCE(old.completed, FALSE) AS completed, {owner} AS owner,
                    COALESCE({created_at}::TIMESTAMPTZ, {updated_at}::TIMESTAMPTZ) AS known_since,
                    COALESCE({created_at}::TIMESTAMPTZ, {updated_at}::TIMESTAMPTZ, CURRENT_TIMESTAMP) AS created_at,
                    COALESCE({updated_at}::TIMESTAMPTZ, {created_at}::TIMESTAMPTZ, CURRENT_TIMESTAMP) AS updated_at
                FROM {table} AS old
            ) AS old
            LEFT JOIN task_api.task AS t ON t.id = old.id",
            table = self.table,
        ))
    }

    fn report(&self, groups: &[Row], dry_run: bool) -> Adopted {
        const TAKEN: [&str; 7] = ["id", "title", "description", "completed", "user_id", "created_at", "updated_at"];
        let (mut taken, mut already_there, mut unfit) = (0, 0, Vec::new());
        for row in groups {
            let (reason, rows): (Option<String>, i64) = (row.get(0), row.get(1));
            match reason {
                None => taken = rows,
                Some(reason) if reason == ALREADY_THERE => already_there = rows,
                Some(reason) => {
                    unfit.push(Unfit { reason, rows, ids: row.get::<_, Option<Vec<i64>>>(2).unwrap_or_default() });
                }
            }
        }
        let ignored = self.columns.iter().map(|(name, _)| name).filter(|name| !TAKEN.contains(&name.as_str()));
        Adopted {
            from: self.table.clone(),
            dry_run,
            rows: taken + already_there + unfit.iter().map(|unfit| unfit.rows).sum::<i64>(),
            taken,
            already_there,
            unfit,
            ignored_columns: ignored.cloned().collect(),
        }
    }
}

/// The expression that reads an owner's id from a column of this type. NULL for a value that is not an id.
fn owner(ids: UserIds, column_type: &str) -> String {
    let is_text = ["text", "character varying"].contains(&column_type);
    // The column as text. Only a text that fits is cast.
    let (pattern, kind) = match ids {
        UserIds::Integer => ("^0*[1-9][0-9]{0,9}$", "BIGINT"),
        UserIds::Text => {
            return "CASE WHEN old.user_id::TEXT <> '' AND length(old.user_id::TEXT) <= 255 THEN old.user_id::TEXT END"
                .into();
        }
        UserIds::Uuid => ("^[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}$", "UUID"),
    };
    let value = if is_text { "btrim(old.user_id)" } else { "old.user_id::TEXT" };
    let cast = format!("CASE WHEN {value} ~ '{pattern}' THEN {value}::{kind} END");
    match ids {
        UserIds::Integer => format!("(SELECT i::INTEGER FROM (SELECT {cast} AS i) AS number WHERE i <= 2147483647)"),
        _ => cast,
    }
}
