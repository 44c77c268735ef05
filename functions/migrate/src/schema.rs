//! The objects that every `up` creates besides the migrations: the users table, the role, the protection of the
//! tables, and this release's functions. A restore may have lost any of them.

use serde::Serialize;
use shared::{auth::UserIds, db::RELEASE_SCHEMA, release::ReleaseSql};
use tokio_postgres::Transaction;

use crate::{
    connection::Database,
    failure::Failure,
    query::{first_row, fix_search_path, query, value},
    users,
};

/// How long the functions of a superseded release are kept, so that a deployment can be rolled back to it.
const KEEP_RELEASES: &str = "30 days";

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

/// Checks that the migrations' user may create schemas, because every release creates one.
pub(crate) async fn check_privileges(transaction: &Transaction<'_>) -> Result<(), Failure> {
    let sql = "SELECT CASE WHEN NOT has_database_privilege(current_database(), 'CREATE') THEN format(
        '%I may not make schemas: have an administrator run GRANT CREATE ON DATABASE %I TO %I',
        current_user, current_database(), current_user
    ) END";
    let problem: Option<String> = query(transaction, sql).await?;
    problem.map_or(Ok(()), |problem| Err(Failure::Schema(problem)))
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
    fix_search_path(transaction).await?;
    transaction.batch_execute(&names.make_role()).await.map_err(Failure::schema)?;
    let role = &names.role;
    let guards = names.guard_tables();
    // The text of the functions must not depend on who calls them.
    let functions = ReleaseSql { login: "CURRENT_USER".into(), ..names.clone() }.make_functions();
    let is_guarded = guards_of == Guards::OfNewerRelease || {
        let made = comment(transaction, "task_api").await?;
        let text: String = value(transaction, "SELECT md5($1)", &guards).await?;
        let now: String = query(transaction, &names.tables_fingerprint()).await?;
        made.get("fingerprint") == Some(&now.into()) && made.get("text") == Some(&text.into())
    };
    let functions_text: String = value(transaction, "SELECT md5($1)", &functions).await?;
    let is_made = comment(transaction, RELEASE_SCHEMA).await?.get("text") == Some(&functions_text.as_str().into())
        && functions_state(transaction, names).await? == State::Present;
    let may_call = is_made && may_call(transaction, names).await?;
    if !is_guarded || !may_call {
        // Only a member of the role can give functions to it. No login may stay a member.
        transaction.batch_execute(&format!("GRANT {role} TO CURRENT_USER")).await.map_err(Failure::schema)?;
        if is_made && !may_call {
            transaction.batch_execute(&names.let_login_call()).await.map_err(Failure::schema)?;
        }
        if !is_made {
            let names = ReleaseSql { login: logins(transaction, names).await?, ..names.clone() };
            let schema = format!("DROP SCHEMA IF EXISTS {RELEASE_SCHEMA} CASCADE; CREATE SCHEMA {RELEASE_SCHEMA}");
            transaction.batch_execute(&schema).await.map_err(Failure::schema)?;
            transaction.batch_execute(&names.make_functions()).await.map_err(Failure::schema)?;
            let fingerprint: String = query(transaction, &names.fingerprint()).await?;
            let comment = serde_json::json!({ "fingerprint": fingerprint, "text": functions_text });
            set_comment(transaction, RELEASE_SCHEMA, &comment).await?;
        }
        if !is_guarded {
            check_owners(transaction, names).await?;
            // Last, because routes wait for the locks that this takes.
            transaction.batch_execute(&guards).await.map_err(Failure::schema)?;
            let text: String = value(transaction, "SELECT md5($1)", &guards).await?;
            let fingerprint: String = query(transaction, &names.tables_fingerprint()).await?;
            let comment = serde_json::json!({ "fingerprint": fingerprint, "text": text });
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
    fix_search_path(transaction).await?;
    // The query does not use the other names.
    let names = ReleaseSql { role: String::new(), login: String::new(), user_ids: UserIds::default(), users: None };
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

/// Whether the routes' login may call the functions, and nobody else may who should not.
async fn may_call(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<bool, Failure> {
    let login = if names.login == "CURRENT_USER" {
        "CURRENT_USER::REGROLE".into()
    } else {
        format!("'{}'::REGROLE", names.login.replace('\'', "''"))
    };
    query(
        transaction,
        &format!(
            "SELECT has_schema_privilege({login}, '{RELEASE_SCHEMA}', 'USAGE') AND COALESCE(bool_and(
                NOT EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0)
                AND (NOT p.prosecdef OR p.proowner <> '{role}'::REGROLE OR has_function_privilege({login}, p.oid, 'EXECUTE'))
            ), FALSE)
            FROM pg_catalog.pg_proc AS p
            WHERE p.pronamespace = '{RELEASE_SCHEMA}'::REGNAMESPACE",
            role = names.role,
        ),
    )
    .await
}

/// The routes' login, and other logins that may call this release's functions already: while a password is rotated,
/// the versions before and after log in as different roles.
async fn logins(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<String, Failure> {
    let sql = "SELECT quote_ident(r.rolname)
        FROM pg_catalog.pg_namespace AS n
        CROSS JOIN aclexplode(n.nspacl) AS a
        JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
        WHERE n.nspname = $1 AND a.privilege_type = 'USAGE' AND r.rolcanlogin AND r.rolname <> CURRENT_USER
        ORDER BY 1";
    let rows = transaction.query(sql, &[&RELEASE_SCHEMA]).await.map_err(Failure::database)?;
    let mut logins = vec![names.login.clone()];
    logins.extend(rows.iter().map(|row| row.get(0)).filter(|login| *login != names.login));
    Ok(logins.join(", "))
}

/// Marks the functions of other releases as superseded, and removes those that were superseded long ago.
async fn retire_others(transaction: &Transaction<'_>) -> Result<(), Failure> {
    let sql = format!(
        "SELECT nspname::TEXT, COALESCE(
            (obj_description(oid, 'pg_namespace')::JSONB ->> 'superseded')::TIMESTAMPTZ < CURRENT_TIMESTAMP - INTERVAL '{KEEP_RELEASES}',
            FALSE
        ), CURRENT_TIMESTAMP::TEXT
        FROM pg_catalog.pg_namespace
        WHERE nspname ~ '^task_api_[0-9a-f]{{16}}$'"
    );
    for row in transaction.query(&sql, &[]).await.map_err(Failure::database)? {
        let (name, is_old, now): (String, bool, String) = (row.get(0), row.get(1), row.get(2));
        let mut comment = comment(transaction, &name).await?;
        let is_this = name == RELEASE_SCHEMA;
        if is_old && !is_this {
            transaction.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await.map_err(Failure::schema)?;
        } else if is_this && comment.get("superseded").is_some() {
            // This release was rolled back to.
            if let Some(fields) = comment.as_object_mut() {
                fields.remove("superseded");
            }
            set_comment(transaction, &name, &comment).await?;
        } else if !is_this
            && comment.get("superseded").is_none()
            && let Some(fields) = comment.as_object_mut()
        {
            fields.insert("superseded".into(), now.into());
            set_comment(transaction, &name, &comment).await?;
        }
    }
    Ok(())
}

/// The values for the placeholders in the SQL files, from what is found in the database.
async fn names(transaction: &Transaction<'_>, database: &Database, may_make: bool) -> Result<ReleaseSql, Failure> {
    let encoding: String = query(transaction, "SHOW server_encoding").await?;
    if encoding != "UTF8" {
        return Err(Failure::Schema(format!("the database's encoding is {encoding}: make one with ENCODING 'UTF8'")));
    }
    // A name in Postgres has at most 63 bytes.
    let role: String = query(
        transaction,
        "SELECT quote_ident(CASE
            WHEN octet_length('task_api_' || current_database()) <= 63 THEN 'task_api_' || current_database()
            ELSE 'task_api_' || md5(current_database())
        END)",
    )
    .await?;
    let login = match database.login.as_deref() {
        Some(login) => {
            value(
                transaction,
                "SELECT CASE WHEN $1 = CURRENT_USER::TEXT THEN 'CURRENT_USER' ELSE quote_ident($1) END",
                login,
            )
            .await?
        }
        None => "CURRENT_USER".to_owned(),
    };
    let users = users::find(transaction, &database.users_table, database.user_ids, may_make).await?;
    Ok(ReleaseSql { role, login, user_ids: database.user_ids, users })
}

/// Checks that every owner of tasks is in the users table, before the foreign key is created.
async fn check_owners(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<(), Failure> {
    let Some(users) = &names.users else { return Ok(()) };
    let table = &users.table;
    let missing: i64 = query(
        transaction,
        &format!(
            "SELECT count(*) FROM task_api.task_owner AS o WHERE NOT EXISTS (
                SELECT FROM {table} AS u WHERE u.id::TEXT = o.user_id::TEXT COLLATE \"C\"
            )"
        ),
    )
    .await?;
    if missing == 0 {
        return Ok(());
    }
    Err(Failure::Schema(format!(
        "{missing} users who have tasks are not in the users table {table}: add them, delete their rows of \
         task_api.task_owner, or set USERS_TABLE to another table or to none"
    )))
}

/// The comment that `up` has written on a schema, as JSON. Null if there is none.
async fn comment(transaction: &Transaction<'_>, schema: &str) -> Result<serde_json::Value, Failure> {
    let sql = "SELECT obj_description(to_regnamespace($1)::OID, 'pg_namespace')";
    let text: Option<String> = value(transaction, sql, schema).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

async fn set_comment(transaction: &Transaction<'_>, schema: &str, comment: &serde_json::Value) -> Result<(), Failure> {
    // Only the texts in the JSON can contain a single quote.
    let text = comment.to_string().replace('\'', "''");
    transaction.batch_execute(&format!("COMMENT ON SCHEMA {schema} IS '{text}'")).await.map_err(Failure::schema)
}
