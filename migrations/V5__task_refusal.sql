-- Why a statement found no task: the caller is no user any more, the task is another user's, or
-- there is none. Asked by every statement and answered by hardly any, the question is a function,
-- which is planned when it is called and not before. Its owner may see what the caller may not;
-- this is all that it tells.
CREATE FUNCTION task_refusal(caller INTEGER, wanted BIGINT) RETURNS TEXT
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM "user" WHERE id = caller) THEN 'no such user'
        WHEN EXISTS (SELECT FROM task WHERE id = wanted AND user_id = caller) THEN 'own'
        WHEN EXISTS (SELECT FROM task WHERE id = wanted) THEN 'not own'
        ELSE 'no such task'
    END;
END;
REVOKE EXECUTE ON FUNCTION task_refusal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION task_refusal TO task_api;

-- task_holder stays for functions of the release before, which run until the new ones take over.
