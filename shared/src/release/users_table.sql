-- Tasks are deleted with their user. Better Auth deletes a user with a plain DELETE. Without CASCADE, that DELETE
-- would fail halfway and lock the user out.
ALTER TABLE task_api.task_owner
    ADD CONSTRAINT task_owner_user_id_fkey FOREIGN KEY (user_id) REFERENCES {{users}} (id) ON DELETE CASCADE;
