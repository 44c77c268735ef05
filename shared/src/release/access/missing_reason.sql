-- Why an operation found no task: 'no_user', 'forbidden' (the task is another user's), 'not_found', or 'own' (the
-- task is the caller's, but has another version). Operations call this only when a task is missing, so that the
-- usual case does not plan it. Under FORCE, the owner of the tables sees other users' rows only while no caller is
-- set.
CREATE FUNCTION {{functions}}.missing_reason(wanted BIGINT) RETURNS TEXT
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    setting CONSTANT TEXT := current_setting('task_api.caller', TRUE);
    caller CONSTANT {{user_id}} := NULLIF(setting, '')::{{user_id}};
    holder task_api.task.user_id%TYPE;
    unset TEXT;
BEGIN
    IF NOT {{functions}}.user_exists() THEN
        RETURN 'no_user';
    END IF;
    unset := set_config('task_api.caller', '', TRUE);
    SELECT t.user_id INTO holder FROM task_api.task AS t WHERE t.id = wanted;
    unset := set_config('task_api.caller', setting, TRUE);
    RETURN CASE WHEN holder = caller THEN 'own' WHEN holder IS NOT NULL THEN 'forbidden' ELSE 'not_found' END;
END
$$;
