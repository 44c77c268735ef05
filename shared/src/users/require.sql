-- Checks that the caller exists, because 401 comes before 403.
CREATE FUNCTION {{functions}}.require_user(IN caller {{user_id}}, OUT outcome TEXT)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    {{set_caller}}
BEGIN
    outcome := CASE WHEN {{functions}}.user_exists() THEN 'ok' ELSE 'no_user' END;
END
$$;
