-- Makes the migrations' user a member of the role, because only a member can give functions to it.
DO $$
BEGIN
    IF current_setting('server_version_num')::INTEGER < 160000 THEN
        GRANT {{role}} TO CURRENT_USER;
    ELSE
        -- For a user whose memberships are not inherited otherwise. (A text, because earlier versions cannot read it.)
        EXECUTE 'GRANT {{role}} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE';
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            '%I may not give functions to the role {{role}}: have an administrator run '
            || CASE
                WHEN current_setting('server_version_num')::INTEGER < 160000 THEN 'ALTER ROLE %I CREATEROLE'
                ELSE 'GRANT {{role}} TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE'
            END,
            current_user, current_user);
END
$$;
