-- Everything that the task API has in the database but its schema with the history of migrations. The users
-- table stays: its rows are people's accounts, and belong to Better Auth.
DO $$
DECLARE
    release RECORD;
BEGIN
    FOR release IN SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname ~ '^task_api_[0-9a-f]{16}$' AND pg_has_role(nspowner, 'USAGE') LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', release.nspname);
    END LOOP;
END
$$;
DROP TABLE task_api.idempotency_key, task_api.task, task_api.task_owner;
DROP FUNCTION task_api.before_direct_insert, task_api.after_direct_update;
