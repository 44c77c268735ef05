-- Who may call the functions. By default PUBLIC may, so this revokes everything first.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {{functions}} FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA {{functions}} TO {{role}};
DO $privileges$
DECLARE
    routine RECORD;
    login TEXT;
BEGIN
    FOR routine IN
        SELECT p.oid::REGPROCEDURE AS signature, p.prosecdef, p.proname = ANY (ARRAY[{{access}}]) AS is_access
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = '{{functions}}'::REGNAMESPACE
    LOOP
        IF routine.is_access THEN
            -- These keep the migrations' user as their owner, because that user may read the users table.
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {{role}}', routine.signature);
        ELSE
            EXECUTE format('ALTER FUNCTION %s OWNER TO {{role}}', routine.signature);
            -- The grant comes after the change of owner, which gives the old owner's privileges to the new owner.
            IF routine.prosecdef THEN
                FOREACH login IN ARRAY ARRAY['CURRENT_USER', {{quoted_logins}}] LOOP
                    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', routine.signature, login);
                END LOOP;
            END IF;
        END IF;
    END LOOP;
END
$privileges$;
REVOKE CREATE ON SCHEMA {{functions}} FROM {{role}};
GRANT USAGE ON SCHEMA {{functions}} TO CURRENT_USER, {{logins}};
