-- Deletes the caller. Foreign keys delete what belongs to the caller.
CREATE FUNCTION {{functions}}.delete_me(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms TEXT
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.answer;
BEGIN
    {{begin_write}}
    answer.outcome := CASE WHEN {{functions}}.user_delete() THEN 'ok' ELSE 'no_user' END;
    {{end_write}}
END
$$;
