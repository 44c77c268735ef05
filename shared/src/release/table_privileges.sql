-- The role's privileges on the tables. It owns no table. The policies keep a row from being given to another user. PUBLIC
-- has none: anybody can set a caller, whose rows the policies show.
REVOKE ALL ON task_api.task, task_api.idempotency_key, task_api.task_owner FROM PUBLIC, {{role}};
REVOKE ALL ON SEQUENCE task_api.task_id_seq FROM PUBLIC, {{role}};
GRANT USAGE ON SCHEMA task_api TO {{role}};
GRANT SELECT, INSERT, UPDATE, DELETE ON task_api.task, task_api.idempotency_key, task_api.task_owner TO {{role}};
GRANT USAGE ON SEQUENCE task_api.task_id_seq TO {{role}};
