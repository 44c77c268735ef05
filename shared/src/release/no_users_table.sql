-- Drops the foreign key to the former users table.
ALTER TABLE task_api.task_owner DROP CONSTRAINT IF EXISTS task_owner_user_id_fkey;
