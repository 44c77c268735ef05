-- What differs from what `up` created, so that routes fail or policies are not in force. NULL when all is well. The
-- routes' login calls it, which is SESSION_USER here.
CREATE FUNCTION {{functions}}.health() RETURNS TEXT
LANGUAGE plpgsql STABLE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    -- What `up` noted, in JSON. It is not cast, because somebody may have written another comment.
    made CONSTANT TEXT := obj_description('{{functions}}'::REGNAMESPACE, 'pg_namespace');
    tables_made CONSTANT TEXT := obj_description('task_api'::REGNAMESPACE, 'pg_namespace');
    tables_query CONSTANT TEXT := md5($query${{tables_fingerprint}}$query$);
BEGIN
    RETURN CASE
        WHEN substring(made FROM '"fingerprint": *"([^"]*)"') IS DISTINCT FROM (
            {{fingerprint}}
        ) THEN 'the functions are not as they were made: invoke the migrate function with {"action": "up"}'
        -- A newer release may have noted the fingerprint of another query.
        WHEN COALESCE(substring(tables_made FROM '"query": *"([^"]*)"'), tables_query) = tables_query
            AND substring(tables_made FROM '"fingerprint": *"([^"]*)"') IS DISTINCT FROM (
            {{tables_fingerprint}}
        ) THEN 'the policies of the tables are not as they were made: invoke the migrate function with {"action": "up"}'
        WHEN EXISTS (
            SELECT FROM pg_roles AS r
            WHERE r.rolname = CURRENT_USER AND (r.rolsuper OR r.rolbypassrls OR r.rolcanlogin)
        ) THEN 'the role of the functions may log in or bypass policies'
        WHEN EXISTS (
            SELECT FROM pg_auth_members AS m WHERE m.member = quote_ident(CURRENT_USER)::REGROLE
        ) THEN 'the role of the functions is a member of another role'
        WHEN EXISTS (
            SELECT FROM pg_roles AS r
            WHERE r.rolcanlogin AND NOT r.rolsuper
              -- Since version 16, the creator of a role keeps ADMIN OPTION on it. That alone gives no access.
              AND (
                  pg_has_role(r.oid, CURRENT_USER, 'USAGE')
                  OR pg_has_role(
                      r.oid, CURRENT_USER,
                      CASE WHEN current_setting('server_version_num')::INTEGER < 160000 THEN 'MEMBER' ELSE 'SET' END
                  )
              )
        ) THEN 'a login is a member of the role of the functions'
        WHEN EXISTS (
            SELECT FROM pg_proc AS p
            WHERE p.pronamespace = '{{functions}}'::REGNAMESPACE
              AND (
                  EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0)
                  OR NOT has_function_privilege(CURRENT_USER, p.oid, 'EXECUTE')
                  OR (p.proowner = quote_ident(CURRENT_USER)::REGROLE AND p.prosecdef AND NOT has_function_privilege(SESSION_USER, p.oid, 'EXECUTE'))
              )
        ) THEN 'a function may be called by everybody, or not by this login'
        ELSE {{functions}}.users_problem()
    END;
END
$$;
