//! Who owns the objects of the API, and what `up` refuses: a database where others have made or opened them.

use shared::{db::RELEASE_SCHEMA, release::ReleaseSql};
use tokio_postgres::Transaction;

use crate::{
    failure::Failure,
    query::{first_row, query},
};

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

/// Checks that every owner of tasks is in the users table, before the foreign key is created.
pub(crate) async fn check_owners(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<(), Failure> {
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
pub(crate) async fn are_functions_ours(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<bool, Failure> {
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
pub(crate) async fn check_public(transaction: &Transaction<'_>) -> Result<(), Failure> {
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
pub(crate) async fn check_policies(transaction: &Transaction<'_>, names: &ReleaseSql) -> Result<(), Failure> {
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
