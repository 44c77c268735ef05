-- Returns one task of the caller.
CREATE FUNCTION {{functions}}.get_task(
    IN caller {{user_id}}, IN wanted BIGINT
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.task_answer;
BEGIN
    SELECT {{found_task}}
    INTO answer
    FROM task_api.task AS t
    WHERE t.id = wanted AND t.user_id = caller;
    IF NOT FOUND THEN
        answer.outcome := {{functions}}.missing_reason(wanted);
    END IF;
    RETURN answer;
END
$$;
