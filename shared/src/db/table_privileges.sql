-- What the role may do with the tables. It owns none of them.
GRANT USAGE ON SCHEMA task_api TO {{role}};
GRANT SELECT, INSERT, UPDATE (title, description, search_text, completed, updated_at), DELETE ON task_api.task TO {{role}};
GRANT SELECT, INSERT, UPDATE (fingerprint, task_id, created_at), DELETE ON task_api.idempotency_key TO {{role}};
GRANT SELECT, INSERT, UPDATE (tasks, keys) ON task_api.task_owner TO {{role}};
GRANT USAGE ON SEQUENCE task_api.task_id_seq TO {{role}};
