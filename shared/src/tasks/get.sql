-- Returns one task of the caller.
CREATE FUNCTION {{functions}}.get_task(
    IN caller {{user_id}}, IN wanted BIGINT,
    OUT outcome TEXT, {{task_out}}
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    {{set_caller}}
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
