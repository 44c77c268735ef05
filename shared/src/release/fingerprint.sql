-- The fingerprint of this release's functions. It changes when a function differs from what `up` created.
SELECT md5(string_agg(
    concat_ws('|', p.proname, p.proargtypes, p.proowner::REGROLE, p.prosecdef, p.proconfig, md5(p.prosrc)),
    E'\n' ORDER BY p.proname, p.proargtypes
))
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = '{{functions}}'::REGNAMESPACE
