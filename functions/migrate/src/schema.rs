//! The objects that every `up` creates besides the migrations: the users table, the role, the protection of the
//! tables, and this release's functions. A restore may have lost any of them.

use serde::Serialize;
use serde_json::{Value, json};
use shared::{auth::UserIds, db::RELEASE_SCHEMA, release::ReleaseSql};
use tokio_postgres::Transaction;

use crate::{
    connection::Database,
    failure::Failure,
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

/// Takes the role of the tables' owner, until the end of the transaction. What another login made, the owner could
/// neither change nor, because of the policies, read.
pub(crate) async fn become_owner(transaction: &Transaction<'_>) -> Result<(), Failure> {
    let sql = "SELECT
            quote_ident(r.rolname),
            CASE WHEN NOT pg_has_role(
                r.oid, CASE WHEN current_setting('server_version_num')::INTEGER < 160000 THEN 'MEMBER' ELSE 'SET' END
            ) THEN format('the tables in the schema task_api belong to %I, and %I is not a member of it', r.rolname, current_user) END,
            quote_ident(current_user)
        FROM (
            SELECT COALESCE(c.relowner, n.nspowner)
            FROM pg_catalog.pg_namespace AS n
            LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'task' AND c.relkind = 'r'
            WHERE n.nspname = 'task_api'
        ) AS task (owner)
        JOIN pg_catalog.pg_roles AS r ON r.oid = task.owner
        WHERE r.rolname <> current_user";
    let Some(row) = transaction.query_opt(sql, &[]).await.map_err(Failure::database)? else { return Ok(()) };
    let (owner, problem, login): (String, Option<String>, String) = (row.get(0), row.get(1), row.get(2));
    if let Some(problem) = problem {
        return Err(Failure::Schema(format!(
            "{problem}: migrate as {owner}, or have an administrator run REASSIGN OWNED BY {owner} TO {login}"
        )));
    }
    transaction.batch_execute(&format!("SET LOCAL ROLE {owner}")).await.map_err(Failure::database)
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

/// Whether the functions of this release belong to the migrations' user and to the role, if there are any. Somebody else
/// could have made them, with a comment that says that they are ours.
async fn are_functions_ours(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<bool, Failure> {
    let sql = "SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_catalog.pg_namespace
        WHERE nspname = $1 AND pg_get_userbyid(nspowner) <> CURRENT_USER";
    if let Some(row) = first_row(transaction, sql, RELEASE_SCHEMA).await? {
        let owner: String = row.get(0);
        return Err(Failure::Schema(format!(
            "the schema {RELEASE_SCHEMA} belongs to {owner}: have an administrator run DROP SCHEMA {RELEASE_SCHEMA} CASCADE"
        )));
    }
    let sql = format!(
        "SELECT COALESCE(bool_and(pg_get_userbyid(p.proowner) = CURRENT_USER OR p.proowner = '{role}'::REGROLE), FALSE)
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = to_regnamespace('{RELEASE_SCHEMA}')",
        role = names.role
    );
    query(transaction, &sql).await
}

/// Checks that PUBLIC has no privilege that only another role can take back.
async fn check_public(transaction: &Transaction<'_>) -> Result<(), Failure> {
    let sql =
        "SELECT format('have %I run REVOKE ALL ON task_api.%I FROM PUBLIC', pg_get_userbyid(a.grantor), c.relname)
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.relnamespace = to_regnamespace('task_api') AND a.grantee = 0
          AND c.relname IN ('task', 'task_owner', 'idempotency_key', 'task_id_seq')
        LIMIT 1";
    let found = transaction.query_opt(sql, &[]).await.map_err(Failure::database)?;
    found.map_or(Ok(()), |row| {
        let revoke: String = row.get(0);
        Err(Failure::Schema(format!(
            "everybody may read or write a table, which shows the rows of any caller: {revoke}"
        )))
    })
}

/// Checks that no policy but ours opens the tables to the functions.
async fn check_policies(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<(), Failure> {
    let sql = format!(
        "SELECT format('DROP POLICY %I ON task_api.%I', l.polname, c.relname)
        FROM pg_catalog.pg_policy AS l
        JOIN pg_catalog.pg_class AS c ON c.oid = l.polrelid
        WHERE c.relnamespace = to_regnamespace('task_api') AND l.polname NOT IN ('caller', 'without_caller')
          AND l.polpermissive
          AND EXISTS (
              SELECT FROM unnest(l.polroles) AS policy (role)
              WHERE policy.role = 0 OR pg_has_role('{role}'::REGROLE, policy.role, 'MEMBER')
          )
        ORDER BY 1
        LIMIT 1",
        role = names.role
    );
    let found = transaction.query_opt(&sql, &[]).await.map_err(Failure::database)?;
    found.map_or(Ok(()), |row| {
        let drop: String = row.get(0);
        Err(Failure::Schema(format!("a policy lets the functions see rows of other users than the caller: run {drop}")))
    })
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
