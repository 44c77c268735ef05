-- Completes a task or opens it again, as `set_completed` says. NULL toggles. For `versions` see update_task.
CREATE FUNCTION {{functions}}.complete_task(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms TEXT, IN wanted BIGINT, IN versions TIMESTAMPTZ[],
    IN set_completed BOOLEAN
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.task_answer;
BEGIN
    {{begin_write}}
    -- updated_at always moves forward, even when the clock does not.
    UPDATE task_api.task AS t
    SET completed  = COALESCE(set_completed, NOT t.completed),
        updated_at = GREATEST(CURRENT_TIMESTAMP, t.updated_at + INTERVAL '1 microsecond')
    WHERE t.id = wanted AND t.user_id = caller AND (versions IS NULL OR t.updated_at = ANY (versions))
    RETURNING {{found_task}}
    INTO answer;
    IF NOT FOUND THEN
        answer.outcome := {{functions}}.missing_reason(wanted);
        IF answer.outcome = 'own' THEN
            answer.outcome := CASE WHEN versions IS NULL THEN 'not_found' ELSE 'stale' END;
        END IF;
    END IF;
    {{end_write}}
END
$$;
