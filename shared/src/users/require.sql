-- Checks that the caller exists, because 401 comes before 403.
CREATE FUNCTION {{functions}}.require_user(IN caller {{user_id}}) RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.answer;
BEGIN
    answer.outcome := CASE WHEN {{functions}}.user_exists() THEN 'ok' ELSE 'no_user' END;
    RETURN answer;
END
$$;
