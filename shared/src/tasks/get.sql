-- One task of the caller's.
CREATE FUNCTION {{functions}}.get_task(
    IN caller {{user_id}}, IN wanted BIGINT,
    OUT outcome TEXT, OUT id BIGINT, OUT title VARCHAR, OUT description VARCHAR, OUT completed BOOLEAN,
    OUT created_at TIMESTAMPTZ, OUT updated_at TIMESTAMPTZ
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    -- Row-level security: the caller of this transaction. set_config makes NULL '', so that no caller is 22004 here.
    setting TEXT NOT NULL := NULLIF(set_config('task_api.caller', caller::TEXT, TRUE), '');
BEGIN
    SELECT t.id, t.title, t.description, t.completed, t.created_at, t.updated_at
    INTO id, title, description, completed, created_at, updated_at
    FROM task_api.task AS t
    WHERE t.id = wanted AND t.user_id = caller;
    outcome := 'ok';
    IF NOT FOUND THEN
        outcome := {{functions}}.missing_reason(wanted);
    END IF;
END
$$;
