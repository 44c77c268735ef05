-- Deletes the caller and, by the foreign keys, what is theirs.
CREATE FUNCTION {{functions}}.delete_me(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN patience INTEGER,
    OUT outcome TEXT, OUT clock TIMESTAMPTZ
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    setting TEXT NOT NULL := NULLIF(set_config('task_api.caller', caller::TEXT, TRUE), '');
BEGIN
    {{begin_write}}
    outcome := CASE WHEN {{functions}}.user_delete() THEN 'ok' ELSE 'no_user' END;
    {{end_write}}
END
$$;
