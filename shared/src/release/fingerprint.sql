-- The fingerprint of this release's functions. It changes when a function differs from what `up` created.
SELECT md5(string_agg(part, E'\n' ORDER BY part COLLATE "C"))
FROM (
    SELECT concat_ws(
        '|', p.proname, p.proargtypes, p.prorettype::REGTYPE, p.proowner::REGROLE, p.prosecdef, p.proconfig, md5(p.prosrc)
    ) AS part
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = '{{functions}}'::REGNAMESPACE
    UNION ALL
    -- The types of what they return.
    SELECT concat_ws('|', c.relname, a.attnum, a.attname, a.atttypid::REGTYPE)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = '{{functions}}'::REGNAMESPACE AND c.relkind = 'c' AND NOT a.attisdropped
) AS parts
