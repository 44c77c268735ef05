-- Why an operation found no task: 'no_user', 'forbidden' (another user's), 'not_found', or 'own': the
-- task is the caller's, so that it was the version that did not fit. Planned and run only when one is
-- missing. Under FORCE the owner sees other users' rows only while there is no caller.
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
