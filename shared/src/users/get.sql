-- Returns the caller's row of the users table.
CREATE FUNCTION {{functions}}.get_me(IN caller {{user_id}}) RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.user_answer;
BEGIN
    SELECT {{user_or_none}}
    INTO answer
    FROM {{functions}}.user_get() AS u;
    RETURN answer;
END
$$;
