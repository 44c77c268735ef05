//! The objects that every `up` creates besides the migrations: the users table, the role, the protection of the
//! tables, and this release's functions. A restore may have lost any of them.

use serde::Serialize;
use serde_json::{Value, json};
use shared::{auth::UserIds, db::RELEASE_SCHEMA, release::ReleaseSql};
use tokio_postgres::Transaction;

use crate::{
    connection::Database,
    failure::Failure,
    ownership::{are_functions_ours, check_owners, check_policies, check_public},
    query::{first_row, query, value},
    users,
};

/// The migrations' user, as one of the routes' logins.
const CURRENT_USER: &str = "CURRENT_USER";

/// How long the functions of a superseded release are kept, so that a deployment can be rolled back to it. In seconds.
const KEEP_RELEASES: i64 = 30 * 24 * 60 * 60;

/// The state of this release's functions in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The functions are as this release creates them.
    Present,
    /// The functions are missing.
    Missing,
    /// The functions differ from what was created.
    Changed,
}

/// The release that has created the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guards {
    /// This release.
    Ours,
    /// A newer release that was rolled back. Its tables stay.
    OfNewerRelease,
}

/// Takes the lock that every run takes, until the end of the transaction. It is a lock on our own table, because
/// everybody who may connect could take an advisory lock.
pub(crate) async fn lock(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    transaction
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS task_api;
            CREATE TABLE IF NOT EXISTS task_api.migration_lock ();
            LOCK TABLE task_api.migration_lock IN ACCESS EXCLUSIVE MODE",
        )
        .await
}

/// Compares the database with the configuration, before anything is changed. Creates Better Auth's users table if it
/// is missing and `may_make` is true.
pub(crate) async fn compare(
    transaction: &Transaction<'_>,
    database: &Database,
    may_make: bool,
) -> Result<ReleaseSql, Failure> {
    let sql = "SELECT format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = to_regclass($1) AND a.attname = 'user_id'";
    let found: Option<String> = first_row(transaction, sql, "task_api.task_owner").await?.map(|row| row.get(0));
    let found = found.and_then(|found| UserIds::ALL.into_iter().find(|kind| kind.sql_type().to_lowercase() == found));
    let configured = database.user_ids;
    match found {
        Some(found) if found != configured => {
            let (found, configured) = (found.name(), configured.name());
            return Err(Failure::Schema(format!(
                "the tasks in this database are of users with {found} ids, and USER_IDS is {configured}: set USER_IDS to \
                 {found}, or undo the migrations first ({{\"action\": \"down\", \"to\": 0}}), which deletes the tasks"
            )));
        }
        _ => {}
    }
    names(transaction, database, may_make).await
}

/// Creates what is missing, and replaces what differs.
pub(crate) async fn ensure(
    transaction: &Transaction<'_>,
    names: &ReleaseSql,
    guards_of: Guards,
) -> Result<(), Failure> {
    transaction.batch_execute(&names.make_role()).await.map_err(Failure::schema)?;
    let role = &names.role;
    let guards = names.guard_tables();
    // The text of the functions must not depend on who calls them.
    let functions = ReleaseSql { logins: vec![CURRENT_USER.into()], ..names.clone() }.make_functions();
    let is_guarded = guards_of == Guards::OfNewerRelease
        || comment(transaction, "task_api").await? == guards_comment(transaction, names, &guards).await?;
    let functions_text: String = value(transaction, "SELECT md5($1)", &functions).await?;
    let is_made = are_functions_ours(transaction, names).await?
        && comment(transaction, RELEASE_SCHEMA).await?.get("text") == Some(&functions_text.as_str().into())
        && functions_state(transaction, names).await? == State::Present;
    let may_call = is_made && may_call(transaction, names).await?;
    if !is_guarded || !may_call {
        transaction.batch_execute(&names.join_role()).await.map_err(Failure::schema)?;
        if is_made && !may_call {
            transaction.batch_execute(&names.let_logins_call()).await.map_err(Failure::schema)?;
        }
        if !is_made {
            let names = ReleaseSql { logins: logins(transaction, names).await?, ..names.clone() };
            let schema = format!("DROP SCHEMA IF EXISTS {RELEASE_SCHEMA} CASCADE; CREATE SCHEMA {RELEASE_SCHEMA}");
            transaction.batch_execute(&schema).await.map_err(Failure::schema)?;
            transaction.batch_execute(&names.make_functions()).await.map_err(Failure::schema)?;
            let fingerprint: String = query(transaction, &names.fingerprint()).await?;
            let comment = json!({ "fingerprint": fingerprint, "text": functions_text });
            set_comment(transaction, RELEASE_SCHEMA, &comment).await?;
        }
        if !is_guarded {
            check_owners(transaction, names).await?;
            check_policies(transaction, names).await?;
            // Last, because routes wait for the locks that this takes.
            transaction.batch_execute(&guards).await.map_err(Failure::schema)?;
            check_public(transaction).await?;
            let comment = guards_comment(transaction, names, &guards).await?;
            set_comment(transaction, "task_api", &comment).await?;
        }
        transaction.batch_execute(&format!("REVOKE {role} FROM CURRENT_USER")).await.map_err(Failure::schema)?;
    }
    retire_others(transaction).await
}

/// Whether this release's functions are in the database, and unchanged.
pub(crate) async fn state(transaction: &Transaction<'_>) -> Result<State, Failure> {
    let there: bool = value(transaction, "SELECT to_regnamespace($1) IS NOT NULL", RELEASE_SCHEMA).await?;
    if !there {
        return Ok(State::Missing);
    }
    // The query does not use the other names.
    let names = ReleaseSql { role: String::new(), logins: Vec::new(), user_ids: UserIds::default(), users: None };
    functions_state(transaction, &names).await
}

async fn functions_state(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<State, Failure> {
    let there: bool = value(transaction, "SELECT to_regnamespace($1) IS NOT NULL", RELEASE_SCHEMA).await?;
    if !there {
        return Ok(State::Missing);
    }
    let made = comment(transaction, RELEASE_SCHEMA).await?;
    let now: Option<String> = query(transaction, &names.fingerprint()).await?;
    let is_as_made = now.is_some_and(|now| made.get("fingerprint") == Some(&now.into()));
    Ok(if is_as_made { State::Present } else { State::Changed })
}

/// Whether the routes' logins may call the functions, and nobody else may who should not.
async fn may_call(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<bool, Failure> {
    for login in &names.logins {
        let login = if login == CURRENT_USER {
            "CURRENT_USER".to_owned()
        } else {
            format!("'{}'::REGROLE", login.replace('\'', "''"))
        };
        let sql = format!(
            "SELECT has_schema_privilege({login}, '{RELEASE_SCHEMA}', 'USAGE') AND COALESCE(bool_and(
                NOT EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0)
                AND (NOT p.prosecdef OR p.proowner <> '{role}'::REGROLE OR has_function_privilege({login}, p.oid, 'EXECUTE'))
            ), FALSE)
            FROM pg_catalog.pg_proc AS p
            WHERE p.pronamespace = '{RELEASE_SCHEMA}'::REGNAMESPACE",
            role = names.role,
        );
        if !query::<bool>(transaction, &sql).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The routes' logins, and others that may call this release's functions already: while a password is rotated, the
/// versions before and after log in as different roles.
async fn logins(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<Vec<String>, Failure> {
    let sql = "SELECT quote_ident(r.rolname)
        FROM pg_catalog.pg_namespace AS n
        CROSS JOIN aclexplode(n.nspacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
        WHERE n.nspname = $1 AND a.privilege_type = 'USAGE' AND r.rolcanlogin AND r.rolname <> CURRENT_USER
        ORDER BY 1";
    let rows = transaction.query(sql, &[&RELEASE_SCHEMA]).await.map_err(Failure::database)?;
    let mut logins = names.logins.clone();
    logins.extend(rows.iter().map(|row| row.get(0)).filter(|login| !names.logins.contains(login)));
    Ok(logins)
}

/// Marks the functions of other releases as superseded, and removes those that were superseded long ago. Leaves those of
/// another owner alone.
async fn retire_others(transaction: &Transaction<'_>) -> Result<(), Failure> {
    let now: i64 = query(transaction, "SELECT extract(epoch FROM CURRENT_TIMESTAMP)::BIGINT").await?;
    let sql = "SELECT nspname::TEXT
        FROM pg_catalog.pg_namespace
        WHERE nspname ~ '^task_api_[0-9a-f]{16}$' AND pg_has_role(nspowner, 'USAGE')";
    for row in transaction.query(sql, &[]).await.map_err(Failure::database)? {
        let name: String = row.get(0);
        let is_this = name == RELEASE_SCHEMA;
        let comment = comment(transaction, &name).await?;
        let superseded = comment.get("superseded").and_then(Value::as_i64);
        let mut fields = comment.as_object().cloned().unwrap_or_default();
        match superseded {
            // This release was rolled back to.
            Some(_) if is_this => {
                fields.remove("superseded");
            }
            None if !is_this => {
                fields.insert("superseded".into(), now.into());
            }
            Some(at) if at < now - KEEP_RELEASES => {
                transaction.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await.map_err(Failure::schema)?;
                continue;
            }
            _ => continue,
        }
        set_comment(transaction, &name, &fields.into()).await?;
    }
    Ok(())
}

/// The values for the placeholders in the SQL files, from what is found in the database.
async fn names(transaction: &Transaction<'_>, database: &Database, may_make: bool) -> Result<ReleaseSql, Failure> {
    let encoding: String = query(transaction, "SHOW server_encoding").await?;
    if encoding != "UTF8" {
        return Err(Failure::Schema(format!("the database's encoding is {encoding}: make one with ENCODING 'UTF8'")));
    }
    // A name in Postgres has at most 63 bytes. This one stands in texts of SQL, so it has only usual characters.
    let role: String = query(
        transaction,
        "SELECT quote_ident(CASE
            WHEN octet_length('task_api_' || current_database()) <= 63 AND current_database() ~ '^[A-Za-z0-9_-]+$'
            THEN 'task_api_' || current_database()
            ELSE 'task_api_' || md5(current_database())
        END)",
    )
    .await?;
    let session: String = query(transaction, "SELECT SESSION_USER::TEXT").await?;
    let login = value(
        transaction,
        "SELECT CASE WHEN $1 = CURRENT_USER::TEXT THEN 'CURRENT_USER' ELSE quote_ident($1) END",
        database.login.as_deref().unwrap_or(&session),
    )
    .await?;
    let users = users::find(transaction, &database.users_table, database.user_ids, may_make).await?;
    Ok(ReleaseSql { role, logins: vec![login], user_ids: database.user_ids, users })
}

/// The comment on the schema of the tables, if they are protected by `guards` and as they are now.
async fn guards_comment(transaction: &Transaction<'_>, names: &ReleaseSql, guards: &str) -> Result<Value, Failure> {
    let sql = names.tables_fingerprint();
    let fingerprint: String = query(transaction, &sql).await?;
    let text: String = value(transaction, "SELECT md5($1)", guards).await?;
    let query: String = value(transaction, "SELECT md5($1)", &sql).await?;
    Ok(json!({ "fingerprint": fingerprint, "query": query, "text": text }))
}

/// The comment that `up` has written on a schema, as JSON. Null if there is none.
async fn comment(transaction: &Transaction<'_>, schema: &str) -> Result<Value, Failure> {
    let sql = "SELECT obj_description(to_regnamespace($1)::OID, 'pg_namespace')";
    let text: Option<String> = value(transaction, sql, schema).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

async fn set_comment(transaction: &Transaction<'_>, schema: &str, comment: &Value) -> Result<(), Failure> {
    // Only the texts in the JSON can contain a single quote.
    let text = comment.to_string().replace('\'', "''");
    transaction.batch_execute(&format!("COMMENT ON SCHEMA {schema} IS '{text}'")).await.map_err(Failure::schema)
}
