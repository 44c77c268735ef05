-- Row-level security. Every `up` creates it again, because a restore without roles loses the policies that name a
-- role. FORCE applies the policies to the owner of the tables too, in case a restore has given it the operations.
-- The comparison is of text, so that no value of a caller is cast. IS TRUE keeps the planner from planning with the
-- current caller's value: the plan is kept for all callers. The policy filters the rows that an operation's own
-- WHERE has found, and costs half as much as a sub-select would.

ALTER TABLE task_api.task_owner      ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE task_api.task            ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE task_api.idempotency_key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- For every role with privileges: the caller's rows only, and no rows when no caller is set.
DROP POLICY IF EXISTS caller ON task_api.task_owner;
CREATE POLICY caller ON task_api.task_owner
    USING ((user_id::TEXT = pg_catalog.current_setting('task_api.caller', TRUE)) IS TRUE);
DROP POLICY IF EXISTS caller ON task_api.task;
CREATE POLICY caller ON task_api.task
    USING ((user_id::TEXT = pg_catalog.current_setting('task_api.caller', TRUE)) IS TRUE);
DROP POLICY IF EXISTS caller ON task_api.idempotency_key;
CREATE POLICY caller ON task_api.idempotency_key
    USING ((user_id::TEXT = pg_catalog.current_setting('task_api.caller', TRUE)) IS TRUE);

-- For the owner of the tables: every row while no caller is set (adopt, pg_dump --enable-row-security, direct SQL).
DROP POLICY IF EXISTS without_caller ON task_api.task_owner;
CREATE POLICY without_caller ON task_api.task_owner TO CURRENT_USER
    USING ((SELECT NULLIF(pg_catalog.current_setting('task_api.caller', TRUE), '') IS NULL));
DROP POLICY IF EXISTS without_caller ON task_api.task;
CREATE POLICY without_caller ON task_api.task TO CURRENT_USER
    USING ((SELECT NULLIF(pg_catalog.current_setting('task_api.caller', TRUE), '') IS NULL));
DROP POLICY IF EXISTS without_caller ON task_api.idempotency_key;
CREATE POLICY without_caller ON task_api.idempotency_key TO CURRENT_USER
    USING ((SELECT NULLIF(pg_catalog.current_setting('task_api.caller', TRUE), '') IS NULL));
