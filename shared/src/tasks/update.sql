-- Changes a task. A title or `completed` that is NULL stays as it is. The description is set, even to NULL, if
-- `set_description` is TRUE. `versions` lists the values that `updated_at` may have now; NULL allows any value.
CREATE FUNCTION {{functions}}.update_task(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms TEXT, IN wanted BIGINT, IN versions TIMESTAMPTZ[],
    IN new_title TEXT, IN set_description BOOLEAN, IN new_description TEXT, IN set_completed BOOLEAN
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
    SET title       = COALESCE(new_title, t.title),
        description = CASE WHEN set_description THEN new_description ELSE t.description END,
        search_bytes = CASE
            WHEN new_title IS NULL AND NOT set_description THEN t.search_bytes
            ELSE convert_to(lower(
                COALESCE(new_title, t.title) || chr(31)
                || COALESCE(CASE WHEN set_description THEN new_description ELSE t.description END, '')
            ), 'UTF8')
        END,
        completed   = COALESCE(set_completed, t.completed),
        updated_at  = GREATEST(CURRENT_TIMESTAMP, t.updated_at + INTERVAL '1 microsecond')
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
