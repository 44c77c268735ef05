-- Changes the caller's row. A name that is NULL stays as it is. The image is set, even to NULL, if `set_image` is
-- TRUE. The outcome is 'no_column' when the users table has no column for a change.
CREATE FUNCTION {{functions}}.update_me(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms TEXT,
    IN new_name TEXT, IN set_image BOOLEAN, IN new_image TEXT
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.user_answer;
BEGIN
    {{begin_write}}
    IF (new_name IS NOT NULL AND NOT {{users_have_name}}) OR (set_image AND NOT {{users_have_image}}) THEN
        answer.outcome := CASE WHEN {{functions}}.user_exists() THEN 'no_column' ELSE 'no_user' END;
    ELSE
        SELECT {{user_or_none}}
        INTO answer
        FROM {{functions}}.user_update(new_name, set_image, new_image) AS u;
    END IF;
    {{end_write}}
END
$$;
