-- The role that the functions belong to. A role exists on the whole server, so the name contains the database: the
-- functions of another database must not reach anything here. An administrator may have made it, for a migrations' user
-- who may not make roles.
DO $$
BEGIN
    IF to_regrole('{{role}}') IS NULL THEN
        CREATE ROLE {{role}} NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'the role {{role}} is missing, and %I may not make it: have an administrator run '
            || CASE
                WHEN current_setting('server_version_num')::INTEGER < 160000 THEN 'ALTER ROLE %I CREATEROLE'
                ELSE 'CREATE ROLE {{role}} NOLOGIN; GRANT {{role}} TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE'
            END,
            current_user, current_user);
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE oid = '{{role}}'::REGROLE AND (rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole)) THEN
        RAISE 'the role {{role}} is there already and may log in, make roles or bypass policies';
    END IF;
END
$$;
