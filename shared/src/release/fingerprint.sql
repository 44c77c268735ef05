-- What the functions of this release are. Whatever differs from how `up` made it changes this.
SELECT md5(string_agg(
    concat_ws('|', p.proname, p.proargtypes, p.proowner::REGROLE, p.prosecdef, p.proconfig, md5(p.prosrc)),
    E'\n' ORDER BY p.proname, p.proargtypes
))
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = '{{functions}}'::REGNAMESPACE
