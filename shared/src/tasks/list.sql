-- A page of the caller's tasks in the usual order, after the task with the id `after`
-- (-9223372036854775808: from the start; no COALESCE here, which under policies is no index condition).
-- One row with the outcome 'no_user' when the caller is gone.
CREATE FUNCTION {{functions}}.list_tasks(caller {{user_id}}, after BIGINT, page INTEGER)
RETURNS TABLE (outcome TEXT, {{task_types}})
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{settings}}
AS $$
#variable_conflict use_column
DECLARE
    {{set_caller}}
BEGIN
    RETURN QUERY
    SELECT 'ok'::TEXT, {{task_columns}}
    FROM task_api.task AS t
    -- One range of the index of user and id. With `user_id = caller` and the order of ids alone, the planner
    -- takes the primary key where few users have most tasks, and reads everybody's.
    WHERE (t.user_id, t.id) > (caller, after) AND t.user_id <= caller
    ORDER BY t.user_id, t.id
    LIMIT page;
    IF NOT FOUND AND NOT {{functions}}.user_exists() THEN
        outcome := 'no_user';
        RETURN NEXT;
    END IF;
END
$$;
