-- The role's privileges on the tables. It owns no table, and may change every column except these.
GRANT USAGE ON SCHEMA task_api TO {{role}};
GRANT SELECT, INSERT, DELETE ON task_api.task, task_api.idempotency_key, task_api.task_owner TO {{role}};
GRANT USAGE ON SEQUENCE task_api.task_id_seq TO {{role}};
DO $$
DECLARE
    grant_update TEXT;
BEGIN
    FOR grant_update IN
        SELECT format('GRANT UPDATE (%s) ON %s TO {{role}}', string_agg(quote_ident(a.attname), ', '), a.attrelid::REGCLASS)
        FROM pg_catalog.pg_attribute AS a
        JOIN (
            VALUES
                ('task_api.task'::REGCLASS, ARRAY['id', 'user_id', 'created_at']),
                ('task_api.idempotency_key', ARRAY['user_id', 'key']),
                ('task_api.task_owner', ARRAY['user_id'])
        ) AS t (name, fixed) ON t.name = a.attrelid
        WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (t.fixed)
        GROUP BY a.attrelid
    LOOP
        EXECUTE grant_update;
    END LOOP;
END
$$;
