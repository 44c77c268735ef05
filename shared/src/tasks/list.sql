-- A page of the caller's tasks in the default order, after the task with the id `after`. The first page has
-- -9223372036854775808 as `after`: with COALESCE instead, policies would keep the condition from using the index.
-- One row with the outcome 'no_user' when the caller was deleted.
CREATE FUNCTION {{functions}}.list_tasks(caller {{user_id}}, after BIGINT, page INTEGER)
RETURNS SETOF {{functions}}.task_answer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{settings}} SET enable_sort = off
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.task_answer;
BEGIN
    RETURN QUERY
    SELECT {{found_task}}
    FROM task_api.task AS t
    -- One range of the index on user and id, in its order, whatever the planner knows about the table. With
    -- `user_id = caller`, it would see that the primary key has the order, too, and read everybody's tasks when few
    -- users have most of them. With enable_sort, it would read all of the caller's tasks and sort them.
    WHERE t.user_id >= caller AND t.user_id <= caller AND t.id > after
    ORDER BY t.user_id, t.id
    LIMIT page;
    IF NOT FOUND AND NOT {{functions}}.user_exists() THEN
        answer.outcome := 'no_user';
        RETURN NEXT answer;
    END IF;
END
$$;
