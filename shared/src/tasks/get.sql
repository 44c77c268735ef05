-- One task of the caller's.
CREATE FUNCTION {{functions}}.get_task(
    IN caller {{user_id}}, IN wanted BIGINT,
    OUT outcome TEXT, {{task_out}}
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    -- Row-level security: the caller of this transaction. set_config makes NULL '', so that no caller is 22004 here.
    setting TEXT NOT NULL := NULLIF(set_config('task_api.caller', caller::TEXT, TRUE), '');
BEGIN
    SELECT {{task_columns}}
    INTO {{task_into}}
    FROM task_api.task AS t
    WHERE t.id = wanted AND t.user_id = caller;
    outcome := 'ok';
    IF NOT FOUND THEN
        outcome := {{functions}}.missing_reason(wanted);
    END IF;
END
$$;
