-- The only ways from the operations to the users table and to other users' rows. They belong to the
-- migrations' user, {{role}} alone may execute them, and they take no id: they work on the caller
-- that the operation has set.
-- TimeZone UTC: a TIMESTAMP (Prisma, Drizzle) is UTC, and one cast fits TIMESTAMP and TIMESTAMPTZ.

CREATE FUNCTION {{functions}}.user_exists() RETURNS BOOLEAN
LANGUAGE plpgsql STABLE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    RETURN EXISTS (SELECT FROM {{users}} AS u WHERE u.id = caller);
END
$$;

-- Keeps the caller from being deleted until the end of the transaction; FALSE when they are gone.
CREATE FUNCTION {{functions}}.user_lock() RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
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
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    SELECT
        u.name::TEXT, u.email::TEXT, u.image::TEXT, u.{{users_email_verified}}::BOOLEAN,
        u.{{users_created_at}}::TIMESTAMPTZ, u.{{users_updated_at}}::TIMESTAMPTZ, TRUE
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
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    UPDATE {{users}} AS u
    SET name       = COALESCE(new_name, u.name),
        image      = CASE WHEN set_image THEN new_image ELSE u.image END,
        {{users_updated_at}} = CURRENT_TIMESTAMP
    WHERE u.id = caller
    RETURNING
        u.name::TEXT, u.email::TEXT, u.image::TEXT, u.{{users_email_verified}}::BOOLEAN,
        u.{{users_created_at}}::TIMESTAMPTZ, u.{{users_updated_at}}::TIMESTAMPTZ, TRUE
    INTO user_update.name, user_update.email, user_update.image, user_update.email_verified, user_update.created_at, user_update.updated_at, user_update.is_there;
END
$$;

CREATE FUNCTION {{functions}}.user_delete() RETURNS BOOLEAN
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    caller CONSTANT {{user_id}} := NULLIF(current_setting('task_api.caller', TRUE), '')::{{user_id}};
BEGIN
    DELETE FROM {{users}} AS u WHERE u.id = caller;
    RETURN FOUND;
END
$$;

-- Why an operation found no task: 'no_user', 'forbidden' (another user's), 'not_found', or 'own': the
-- task is the caller's, so that it was the version that did not fit. Planned and run only when one is
-- missing. Under FORCE the owner sees other users' rows only while there is no caller.
CREATE FUNCTION {{functions}}.missing_reason(wanted BIGINT) RETURNS TEXT
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    setting CONSTANT TEXT := current_setting('task_api.caller', TRUE);
    caller CONSTANT {{user_id}} := NULLIF(setting, '')::{{user_id}};
    holder task_api.task.user_id%TYPE;
    unset TEXT;
BEGIN
    IF NOT EXISTS (SELECT FROM {{users}} AS u WHERE u.id = caller) THEN
        RETURN 'no_user';
    END IF;
    unset := set_config('task_api.caller', '', TRUE);
    SELECT t.user_id INTO holder FROM task_api.task AS t WHERE t.id = wanted;
    unset := set_config('task_api.caller', setting, TRUE);
    RETURN CASE WHEN holder = caller THEN 'own' WHEN holder IS NOT NULL THEN 'forbidden' ELSE 'not_found' END;
END
$$;
