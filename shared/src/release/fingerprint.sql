-- The fingerprint of this release's functions. It changes when a function differs from what `up` created.
SELECT md5(string_agg(part, E'\n' ORDER BY part COLLATE "C"))
FROM (
    SELECT concat_ws(
        '|', p.proname, p.proargtypes, p.prorettype::REGTYPE, p.proowner::REGROLE, p.prosecdef, p.proconfig, md5(p.prosrc)
    ) AS part
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = '{{functions}}'::REGNAMESPACE
    UNION ALL
    -- What the role of the functions may do with them and with their schema. (What logins may do changes while a password
    -- is rotated.)
    SELECT concat_ws('|', granted.name, a.privilege_type)
    FROM (
        SELECT p.oid::REGPROCEDURE::TEXT, p.proacl
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = '{{functions}}'::REGNAMESPACE
        UNION ALL
        SELECT n.nspname, n.nspacl
        FROM pg_catalog.pg_namespace AS n
        WHERE n.oid = '{{functions}}'::REGNAMESPACE
    ) AS granted (name, acl)
    CROSS JOIN LATERAL aclexplode(granted.acl) AS a
    JOIN pg_catalog.pg_proc AS health
        ON health.pronamespace = '{{functions}}'::REGNAMESPACE AND health.proname = 'health' AND health.proowner = a.grantee
    UNION ALL
    -- The types of what they return.
    SELECT concat_ws('|', c.relname, a.attnum, a.attname, a.atttypid::REGTYPE)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = '{{functions}}'::REGNAMESPACE AND c.relkind = 'c' AND NOT a.attisdropped
) AS parts
