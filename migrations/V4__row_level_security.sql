-- A second lock. Every statement names its user; should one ever not, the database shows it that
-- user's rows all the same, and none when it names nobody. Statements run under a role that owns
-- nothing, cannot log in and has no more privileges than they need.

-- Roles belong to the server: another database of it may have made this one.
DO $$
BEGIN
    CREATE ROLE task_api NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'the role task_api is missing, and %I may not make it: have an administrator run CREATE ROLE task_api NOLOGIN; GRANT task_api TO %I',
            current_user, current_user);
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'task_api' AND (rolsuper OR rolbypassrls OR rolcanlogin)) THEN
        RAISE 'the role task_api is there already and may log in or bypass policies';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper) THEN
        BEGIN
            GRANT task_api TO CURRENT_USER;
        EXCEPTION
            -- An administrator has granted it, or else the next line says that it is missing.
            WHEN insufficient_privilege THEN NULL;
        END;
    END IF;
    SET LOCAL ROLE task_api;
    RESET ROLE;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO task_api', current_schema());
END
$$;

GRANT SELECT ("id", "name", "email", "image", "emailVerified", "createdAt", "updatedAt"),
    UPDATE ("name", "image", "updatedAt"), DELETE
    ON "user" TO task_api;
GRANT SELECT, INSERT, UPDATE (title, description, completed, updated_at), DELETE ON task TO task_api;
GRANT SELECT, INSERT, UPDATE (key), DELETE ON idempotency_key TO task_api;
GRANT USAGE ON SEQUENCE task_id_seq TO task_api;

ALTER TABLE task ENABLE ROW LEVEL SECURITY;
CREATE POLICY task_api ON task TO task_api
    USING (user_id = NULLIF(current_setting('task_api.user_id', TRUE), '')::INTEGER);

ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY task_api ON idempotency_key TO task_api
    USING (user_id = NULLIF(current_setting('task_api.user_id', TRUE), '')::INTEGER);

-- Better Auth's table stays as it was for every other role.
ALTER TABLE "user" ENABLE ROW LEVEL SECURITY;
CREATE POLICY task_api ON "user" TO task_api
    USING ("id" = NULLIF(current_setting('task_api.user_id', TRUE), '')::INTEGER);
CREATE POLICY task_api_others ON "user" TO PUBLIC
    USING (current_user <> 'task_api');

-- Whose a task is: all that anyone learns about another's task (403, where an unknown one is 404).
CREATE FUNCTION task_holder(wanted BIGINT) RETURNS INTEGER
LANGUAGE sql STABLE STRICT SECURITY DEFINER
BEGIN ATOMIC
    SELECT user_id FROM task WHERE id = wanted;
END;
REVOKE EXECUTE ON FUNCTION task_holder FROM PUBLIC;
GRANT EXECUTE ON FUNCTION task_holder TO task_api;
