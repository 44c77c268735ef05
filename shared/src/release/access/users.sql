-- The operations reach the users table and other users' rows only through these functions and missing_reason. The
-- functions belong to the migrations' user, and only {{role}} may execute them. They take no id: they work on the
-- caller that the operation has set. A column that the users table does not have is NULL. SET timezone = 'UTC': a
-- TIMESTAMP (Prisma, Drizzle) is in UTC, and so one cast fits TIMESTAMP and TIMESTAMPTZ.

CREATE FUNCTION {{functions}}.user_exists() RETURNS BOOLEAN
LANGUAGE plpgsql STABLE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_variable
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    RETURN EXISTS (SELECT FROM {{users}} AS u WHERE u.id = caller);
END
$$;

-- Keeps the caller's row from being deleted until the end of the transaction. FALSE when there is no row.
CREATE FUNCTION {{functions}}.user_lock() RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_variable
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    PERFORM FROM {{users}} AS u WHERE u.id = caller FOR KEY SHARE;
    RETURN FOUND;
END
$$;

CREATE FUNCTION {{functions}}.user_get(
    OUT name TEXT, OUT email TEXT, OUT image TEXT, OUT email_verified BOOLEAN,
    OUT created_at TIMESTAMPTZ, OUT updated_at TIMESTAMPTZ, OUT is_there BOOLEAN
)
LANGUAGE plpgsql STABLE SECURITY DEFINER {{search_path}} SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    SELECT {{users_columns}}, TRUE
    INTO user_get.name, user_get.email, user_get.image, user_get.email_verified, user_get.created_at, user_get.updated_at, user_get.is_there
    FROM {{users}} AS u
    WHERE u.id = caller;
END
$$;

CREATE FUNCTION {{functions}}.user_update(
    IN new_name TEXT, IN set_image BOOLEAN, IN new_image TEXT,
    OUT name TEXT, OUT email TEXT, OUT image TEXT, OUT email_verified BOOLEAN,
    OUT created_at TIMESTAMPTZ, OUT updated_at TIMESTAMPTZ, OUT is_there BOOLEAN
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}} SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    UPDATE {{users}} AS u
    SET {{users_changes}}
    WHERE u.id = caller
    RETURNING {{users_columns}}, TRUE
    INTO user_update.name, user_update.email, user_update.image, user_update.email_verified, user_update.created_at, user_update.updated_at, user_update.is_there;
END
$$;

CREATE FUNCTION {{functions}}.user_delete() RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_variable
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    DELETE FROM {{users}} AS u WHERE u.id = caller;
    RETURN FOUND;
END
$$;

-- What keeps these functions from the users table. NULL when nothing does.
CREATE FUNCTION {{functions}}.users_problem() RETURNS TEXT
LANGUAGE plpgsql STABLE SECURITY DEFINER {{search_path}}
AS $$
BEGIN
    -- Without a caller, this finds no row, and fails where a route would.
    PERFORM FROM {{functions}}.user_get();
    IF row_security_active('{{users}}') THEN
        RETURN format('{{users}} hides its rows from %I by row-level security', CURRENT_USER);
    END IF;
    IF NOT (has_table_privilege('{{users}}', 'UPDATE') AND has_table_privilege('{{users}}', 'DELETE')) THEN
        RETURN format('%I may not change {{users}}', CURRENT_USER);
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN undefined_table OR undefined_column OR cannot_coerce OR insufficient_privilege THEN
        RETURN SQLERRM;
END
$$;
