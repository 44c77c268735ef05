-- Tasks go with their user. Better Auth deletes a user with a plain DELETE, which fails halfway and locks
-- the user out where a foreign key has no CASCADE.
ALTER TABLE task_api.task_owner
    ADD CONSTRAINT task_owner_user_id_fkey FOREIGN KEY (user_id) REFERENCES {{users}} (id) ON DELETE CASCADE;
