-- Returns the caller's row of the users table.
CREATE FUNCTION {{functions}}.get_me(IN caller {{user_id}}) RETURNS {{functions}}.user_answer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.user_answer;
BEGIN
    SELECT CASE WHEN u.is_there THEN 'ok' ELSE 'no_user' END, NULL::TIMESTAMPTZ, u.name, u.email, u.image, u.email_verified, u.created_at, u.updated_at
    INTO answer
    FROM {{functions}}.user_get() AS u;
    RETURN answer;
END
$$;
