-- Creates a task, unless its owner has `max_tasks` tasks. Creates of one user wait for each other at the row of
-- task_owner.
CREATE FUNCTION {{functions}}.create_task(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms TEXT,
    IN new_title TEXT, IN new_description TEXT, IN max_tasks INTEGER
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.created_answer;
BEGIN
    {{begin_write}}
    -- Counts the task. This locks the owner's row.
    UPDATE task_api.task_owner AS o
    SET tasks = o.tasks + 1
    WHERE o.user_id = caller AND o.tasks < max_tasks AND {{no_old_keys}};
    IF NOT FOUND THEN
        answer.outcome := {{functions}}.make_room(caller, max_tasks, NULL);
        IF answer.outcome <> 'ok' THEN
            {{end_write}}
        END IF;
    END IF;
    INSERT INTO task_api.task AS t (user_id, title, description, search_bytes)
    VALUES (caller, new_title, new_description, {{search_bytes}})
    RETURNING 'ok', NULL::TIMESTAMPTZ, t.id, t.created_at INTO answer;
    {{end_write}}
END
$$;
