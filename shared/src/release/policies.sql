-- Row-level security, made again by every `up`: a restore without roles loses what names a role.
-- FORCE, so that operations that have come to belong to the tables' owner are held to it as well.
-- As text, so that nothing of a caller's is cast. IS TRUE keeps the planner from taking the setting's
-- value, which is that of the caller it plans for, for what it looks up: the plan is kept for all. It
-- filters the rows that an operation's own WHERE has found, and costs half of a sub-select.

ALTER TABLE task_api.task_owner      ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE task_api.task            ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE task_api.idempotency_key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- Whoever has the privileges: the caller's rows, and none without a caller.
DROP POLICY IF EXISTS caller ON task_api.task_owner;
CREATE POLICY caller ON task_api.task_owner
    USING ((user_id::TEXT = pg_catalog.current_setting('task_api.caller', TRUE)) IS TRUE);
DROP POLICY IF EXISTS caller ON task_api.task;
CREATE POLICY caller ON task_api.task
    USING ((user_id::TEXT = pg_catalog.current_setting('task_api.caller', TRUE)) IS TRUE);
DROP POLICY IF EXISTS caller ON task_api.idempotency_key;
CREATE POLICY caller ON task_api.idempotency_key
    USING ((user_id::TEXT = pg_catalog.current_setting('task_api.caller', TRUE)) IS TRUE);

-- The owner: every row while there is no caller (adopt, pg_dump --enable-row-security, direct SQL).
DROP POLICY IF EXISTS without_caller ON task_api.task_owner;
CREATE POLICY without_caller ON task_api.task_owner TO CURRENT_USER
    USING ((SELECT NULLIF(pg_catalog.current_setting('task_api.caller', TRUE), '') IS NULL));
DROP POLICY IF EXISTS without_caller ON task_api.task;
CREATE POLICY without_caller ON task_api.task TO CURRENT_USER
    USING ((SELECT NULLIF(pg_catalog.current_setting('task_api.caller', TRUE), '') IS NULL));
DROP POLICY IF EXISTS without_caller ON task_api.idempotency_key;
CREATE POLICY without_caller ON task_api.idempotency_key TO CURRENT_USER
    USING ((SELECT NULLIF(pg_catalog.current_setting('task_api.caller', TRUE), '') IS NULL));
