-- Returns the caller's row of the users table.
CREATE FUNCTION {{functions}}.get_me(
    IN caller {{user_id}},
    OUT outcome TEXT, OUT name TEXT, OUT email TEXT, OUT image TEXT, OUT email_verified BOOLEAN,
    OUT created_at TIMESTAMPTZ, OUT updated_at TIMESTAMPTZ
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    {{set_caller}}
    u RECORD;
BEGIN
    SELECT * INTO u FROM {{functions}}.user_get();
    outcome := CASE WHEN u.is_there THEN 'ok' ELSE 'no_user' END;
    name := u.name; email := u.email; image := u.image; email_verified := u.email_verified;
    created_at := u.created_at; updated_at := u.updated_at;
END
$$;
