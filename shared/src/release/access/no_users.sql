-- The functions of users.sql for a deployment without a users table: every user that a token names exists. Nothing
-- calls user_get, user_update and user_delete, because the routes of users do not exist then.
CREATE FUNCTION {{functions}}.user_exists() RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER {{search_path}}
AS 'SELECT TRUE';

CREATE FUNCTION {{functions}}.user_lock() RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER {{search_path}}
AS 'SELECT TRUE';

CREATE FUNCTION {{functions}}.user_get(
    OUT name TEXT, OUT email TEXT, OUT image TEXT, OUT email_verified BOOLEAN,
    OUT created_at TIMESTAMPTZ, OUT updated_at TIMESTAMPTZ, OUT is_there BOOLEAN
)
LANGUAGE plpgsql STABLE SECURITY DEFINER {{search_path}}
AS 'BEGIN is_there := FALSE; END';

CREATE FUNCTION {{functions}}.user_update(
    IN new_name TEXT, IN set_image BOOLEAN, IN new_image TEXT,
    OUT name TEXT, OUT email TEXT, OUT image TEXT, OUT email_verified BOOLEAN,
    OUT created_at TIMESTAMPTZ, OUT updated_at TIMESTAMPTZ, OUT is_there BOOLEAN
)
LANGUAGE plpgsql STABLE SECURITY DEFINER {{search_path}}
AS 'BEGIN is_there := FALSE; END';

CREATE FUNCTION {{functions}}.user_delete() RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER {{search_path}}
AS 'SELECT FALSE';

CREATE FUNCTION {{functions}}.users_problem() RETURNS TEXT
LANGUAGE sql STABLE SECURITY DEFINER {{search_path}}
AS 'SELECT NULL::TEXT';
