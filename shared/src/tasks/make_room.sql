-- The rare part of creates, which belongs to {{role}} and runs with the rights of the create. It handles an owner that
-- the create's UPDATE did not count: one without a row, with a count at a limit, or with keys older than a day. It
-- creates the row, removes old keys, counts again, because deletes do not lower the count of tasks, and counts the new
-- task and the new key, which is NULL in a create without one. Then the outcome is 'ok'.
CREATE FUNCTION {{functions}}.make_room(caller {{user_id}}, max_tasks INTEGER, new_key TEXT) RETURNS TEXT
LANGUAGE plpgsql VOLATILE {{search_path}}
AS $$
DECLARE
    owner task_api.task_owner;
    is_room BOOLEAN;
BEGIN
    SELECT o.* INTO owner FROM task_api.task_owner AS o WHERE o.user_id = caller FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        -- Locks the user's row first, as a delete of the user does. So there is no deadlock and no foreign key
        -- error.
        IF NOT {{functions}}.user_lock() THEN
            RETURN 'no_user';
        END IF;
        INSERT INTO task_api.task_owner (user_id) VALUES (caller) ON CONFLICT DO NOTHING;
        SELECT o.* INTO owner FROM task_api.task_owner AS o WHERE o.user_id = caller FOR NO KEY UPDATE;
    END IF;
    -- Removes what is older than a day, and at the limit also the oldest. The new key may be an earlier request's.
    IF owner.keys >= {{max_keys}} OR owner.keys_since < CURRENT_TIMESTAMP - INTERVAL '24 hours' THEN
        DELETE FROM task_api.idempotency_key AS k
        WHERE k.user_id = caller
          AND k.key = ANY (ARRAY(
              SELECT aged.key
              FROM (
                  SELECT e.key, e.created_at, row_number() OVER (ORDER BY e.created_at DESC) AS place
                  FROM task_api.idempotency_key AS e
                  WHERE e.user_id = caller
              ) AS aged
              WHERE aged.created_at < CURRENT_TIMESTAMP - INTERVAL '24 hours'
                 OR (aged.place > {{max_keys}} - 100 AND aged.key IS DISTINCT FROM new_key)
          ));
        SELECT count(*), min(k.created_at) INTO owner.keys, owner.keys_since
        FROM task_api.idempotency_key AS k
        WHERE k.user_id = caller;
    END IF;
    IF owner.tasks >= max_tasks THEN
        SELECT count(*) INTO owner.tasks
        FROM (SELECT FROM task_api.task AS t WHERE t.user_id = caller LIMIT max_tasks) AS counted_tasks;
    END IF;
    is_room := owner.tasks < max_tasks;
    UPDATE task_api.task_owner AS o
    SET tasks = owner.tasks + is_room::INTEGER,
        keys  = owner.keys + (is_room AND new_key IS NOT NULL)::INTEGER,
        keys_since = CASE
            WHEN is_room AND new_key IS NOT NULL THEN LEAST(owner.keys_since, CURRENT_TIMESTAMP)
            ELSE owner.keys_since
        END
    WHERE o.user_id = caller;
    RETURN CASE WHEN is_room THEN 'ok' ELSE 'limit' END;
END
$$;
