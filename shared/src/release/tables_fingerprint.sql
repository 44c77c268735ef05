-- The fingerprint of the tables' protection: owners, policies, the privileges of the role and of PUBLIC, and the foreign
-- keys. It changes when one of them differs from what `up` created. Policies for other roles, such as a tool for reports,
-- may come and go.
SELECT md5(string_agg(part, E'\n' ORDER BY part))
FROM (
    SELECT concat_ws('|', c.relname, c.relowner::REGROLE, c.relrowsecurity, c.relforcerowsecurity) AS part
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'task_api'::REGNAMESPACE AND c.relkind = 'r'
    UNION ALL
    SELECT concat_ws(
        '|', c.relname, l.polname, l.polcmd, l.polpermissive, l.polroles::REGROLE[],
        pg_get_expr(l.polqual, l.polrelid), pg_get_expr(l.polwithcheck, l.polrelid)
    )
    FROM pg_catalog.pg_policy AS l
    JOIN pg_catalog.pg_class AS c ON c.oid = l.polrelid
    WHERE c.relnamespace = 'task_api'::REGNAMESPACE AND l.polroles && ARRAY[0::OID, '{{role}}'::REGROLE::OID, c.relowner]
    UNION ALL
    SELECT concat_ws('|', c.relname, a.grantee::REGROLE, a.privilege_type)
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.relnamespace = 'task_api'::REGNAMESPACE
      AND c.relname IN ('task', 'task_owner', 'idempotency_key', 'task_id_seq')
      AND a.grantee IN (0, '{{role}}'::REGROLE)
    UNION ALL
    SELECT concat_ws('|', c.relname, t.attname, a.grantee::REGROLE, a.privilege_type)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid
    CROSS JOIN LATERAL aclexplode(t.attacl) AS a
    WHERE c.relnamespace = 'task_api'::REGNAMESPACE
      AND c.relname IN ('task', 'task_owner', 'idempotency_key', 'task_id_seq')
      AND a.grantee IN (0, '{{role}}'::REGROLE)
    UNION ALL
    SELECT concat_ws('|', n.nspname, a.privilege_type)
    FROM pg_catalog.pg_namespace AS n
    CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
    WHERE n.nspname = 'task_api' AND a.grantee = '{{role}}'::REGROLE
    UNION ALL
    SELECT concat_ws('|', f.conname, f.confrelid::REGCLASS, f.confdeltype)
    FROM pg_catalog.pg_constraint AS f
    WHERE f.contype = 'f' AND f.connamespace = 'task_api'::REGNAMESPACE
) AS parts
