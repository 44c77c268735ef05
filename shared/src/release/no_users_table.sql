-- A foreign key to the users table there was before.
ALTER TABLE task_api.task_owner DROP CONSTRAINT IF EXISTS task_owner_user_id_fkey;
