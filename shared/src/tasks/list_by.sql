-- A filtered page of the caller's tasks in the order {{column}} {{direction}}. It begins after the task with the
-- values `after` and `after_id` (NULL: from the start), and skips `skip` more tasks. `up` creates one function for
-- each order, so that Postgres keeps a plan for each; cursor.rs fills in the order. `needle` is searched literally,
-- in upper and lower case, in title and description.
CREATE FUNCTION {{functions}}.list_tasks_by_{{column}}_{{direction}}(
    caller {{user_id}}, completed_is BOOLEAN, needle TEXT, after task_api.task.{{column}}%TYPE, after_id BIGINT,
    skip INTEGER, page INTEGER
)
RETURNS SETOF {{functions}}.task_answer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{settings}} {{more_settings}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.task_answer;
    -- In the form of search_bytes. NULL means no search.
    bytes CONSTANT BYTEA := convert_to(lower(NULLIF(needle, '')), 'UTF8');
    -- In the order of ids, a page begins at its cursor. COALESCE must not be in the query: the planner does not
    -- count it as leakproof, so policies would keep the condition from using the index.
    {{bound}}
BEGIN
    RETURN QUERY
    SELECT {{found_task}}
    FROM task_api.task AS t
    WHERE {{begin_ids}} {{own_tasks}}
      AND (after_id IS NULL OR ({{value}}, t.id) {{beyond}} ({{after}}, after_id))
      AND (completed_is IS NULL OR t.completed = completed_is)
      AND (bytes IS NULL OR position(bytes IN t.search_bytes) > 0)
    ORDER BY {{order}}
    OFFSET skip
    LIMIT page
    {{end_ids}};
    IF NOT FOUND AND NOT {{functions}}.user_exists() THEN
        answer.outcome := 'no_user';
        RETURN NEXT answer;
    END IF;
END
$$;
