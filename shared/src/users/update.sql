-- Changes the caller's row. A name that is NULL stays as it is. The image is set, even to NULL, if `set_image` is
-- TRUE. The outcome is 'no_column' when the users table has no column for a change.
CREATE FUNCTION {{functions}}.update_me(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms INTEGER,
    IN new_name TEXT, IN set_image BOOLEAN, IN new_image TEXT,
    OUT outcome TEXT, OUT clock TIMESTAMPTZ, OUT name TEXT, OUT email TEXT, OUT image TEXT, OUT email_verified BOOLEAN,
    OUT created_at TIMESTAMPTZ, OUT updated_at TIMESTAMPTZ
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    {{set_caller}}
    u RECORD;
BEGIN
    {{begin_write}}
    IF (new_name IS NOT NULL AND NOT {{users_have_name}}) OR (set_image AND NOT {{users_have_image}}) THEN
        outcome := CASE WHEN {{functions}}.user_exists() THEN 'no_column' ELSE 'no_user' END;
    ELSE
        SELECT * INTO u FROM {{functions}}.user_update(new_name, set_image, new_image);
        outcome := CASE WHEN u.is_there THEN 'ok' ELSE 'no_user' END;
        name := u.name; email := u.email; image := u.image; email_verified := u.email_verified;
        created_at := u.created_at; updated_at := u.updated_at;
    END IF;
    {{end_write}}
END
$$;
