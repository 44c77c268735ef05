-- The role stays: another database of the server may use it.
DROP FUNCTION task_holder;
DROP POLICY task_api_others ON "user";
DROP POLICY task_api ON "user";
ALTER TABLE "user" DISABLE ROW LEVEL SECURITY;
DROP POLICY task_api ON idempotency_key;
ALTER TABLE idempotency_key DISABLE ROW LEVEL SECURITY;
DROP POLICY task_api ON task;
ALTER TABLE task DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON SEQUENCE task_id_seq FROM task_api;
REVOKE ALL ON idempotency_key, task, "user" FROM task_api;
REVOKE ALL ("id", "name", "email", "image", "emailVerified", "createdAt", "updatedAt") ON "user" FROM task_api;
