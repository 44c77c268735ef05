-- The rare part of creates, which belongs to {{role}} and runs with the rights of the create. It handles an owner that
-- the create's UPDATE did not count: one without a row, with a count at a limit, or with keys older than a day. It
-- creates the row, counts again what the counts are only bounds of, and removes old keys. The outcome 'ok' means that
-- there is room, and that the new task is counted, and the new key, which is NULL in a create without one.
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
    IF owner.tasks >= max_tasks THEN
        SELECT count(*) INTO owner.tasks
        FROM (SELECT FROM task_api.task AS t WHERE t.user_id = caller LIMIT max_tasks) AS counted_tasks;
    END IF;
    is_room := owner.tasks < max_tasks;
    IF owner.keys >= {{max_keys}} OR owner.keys_since < CURRENT_TIMESTAMP - INTERVAL '24 hours' THEN
        DELETE FROM task_api.idempotency_key AS k
        WHERE k.user_id = caller AND k.created_at < CURRENT_TIMESTAMP - INTERVAL '24 hours';
        -- At the limit, a new key takes the place of the oldest ones. One that an earlier request has does not.
        IF is_room AND new_key IS NOT NULL
            AND (SELECT count(*) FROM task_api.idempotency_key AS k WHERE k.user_id = caller) >= {{max_keys}}
            AND NOT EXISTS (SELECT FROM task_api.idempotency_key AS k WHERE k.user_id = caller AND k.key = new_key)
        THEN
            DELETE FROM task_api.idempotency_key AS k
            WHERE k.user_id = caller
              AND k.key = ANY (ARRAY(
                  SELECT e.key
                  FROM task_api.idempotency_key AS e
                  WHERE e.user_id = caller
                  ORDER BY e.created_at
                  LIMIT 100
              ));
        END IF;
        SELECT count(*), min(k.created_at) INTO owner.keys, owner.keys_since
        FROM task_api.idempotency_key AS k
        WHERE k.user_id = caller;
    END IF;
    IF is_room THEN
        owner.tasks := owner.tasks + 1;
        IF new_key IS NOT NULL THEN
            owner.keys := owner.keys + 1;
            owner.keys_since := LEAST(owner.keys_since, CURRENT_TIMESTAMP);
        END IF;
    END IF;
    UPDATE task_api.task_owner AS o
    -- Without room, the count stopped at max_tasks, and there may be more.
    SET tasks = CASE WHEN is_room THEN owner.tasks ELSE o.tasks END, keys = owner.keys, keys_since = owner.keys_since
    WHERE o.user_id = caller AND (is_room OR o.keys <> owner.keys OR o.keys_since IS DISTINCT FROM owner.keys_since);
    RETURN CASE WHEN is_room THEN 'ok' ELSE 'limit' END;
END
$$;
