-- Deletes a task. For `versions` see update_task. The owner's count stays as it is: it is
-- an upper bound. So a delete writes one row, and waits only for other writes of that row.
CREATE FUNCTION {{functions}}.delete_task(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms TEXT, IN wanted BIGINT, IN versions TIMESTAMPTZ[]
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.answer;
BEGIN
    {{begin_write}}
    DELETE FROM task_api.task AS t
    WHERE t.id = wanted AND t.user_id = caller AND (versions IS NULL OR t.updated_at = ANY (versions));
    answer.outcome := 'ok';
    IF NOT FOUND THEN
        answer.outcome := {{functions}}.missing_reason(wanted);
        IF answer.outcome = 'own' THEN
            answer.outcome := CASE WHEN versions IS NULL THEN 'not_found' ELSE 'stale' END;
        END IF;
    END IF;
    {{end_write}}
END
$$;
