-- The rare parts of create_task. They belong to {{role}} and run with the rights of create_task.

-- Handles an owner without a row, or with a count at the limit: creates the row, and counts the tasks again, because
-- deletes do not lower the count. The outcome 'ok' means that the new task is counted.
CREATE FUNCTION {{functions}}.make_room(
    IN caller {{user_id}}, IN max_tasks INTEGER, IN with_key BOOLEAN,
    OUT outcome TEXT, OUT keys INTEGER, OUT keys_since TIMESTAMPTZ
)
LANGUAGE plpgsql VOLATILE {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    counted INTEGER;
BEGIN
    PERFORM FROM task_api.task_owner AS o WHERE o.user_id = caller FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        -- Locks the user's row first, as a delete of the user does. So there is no deadlock and no foreign key
        -- error.
        IF NOT {{functions}}.user_lock() THEN
            outcome := 'no_user';
            RETURN;
        END IF;
        INSERT INTO task_api.task_owner (user_id) VALUES (caller) ON CONFLICT DO NOTHING;
        PERFORM FROM task_api.task_owner AS o WHERE o.user_id = caller FOR NO KEY UPDATE;
    END IF;
    SELECT count(*) INTO counted
    FROM (SELECT FROM task_api.task AS t WHERE t.user_id = caller LIMIT max_tasks) AS counted_tasks;
    IF counted >= max_tasks THEN
        outcome := 'limit';
    ELSE
        UPDATE task_api.task_owner AS o
        SET tasks = counted + 1,
            keys  = o.keys + with_key::INTEGER,
            keys_since = CASE WHEN with_key THEN LEAST(o.keys_since, CURRENT_TIMESTAMP) ELSE o.keys_since END
        WHERE o.user_id = caller
        RETURNING 'ok', o.keys, o.keys_since INTO outcome, keys, keys_since;
    END IF;
END
$$;

-- Removes up to 100 keys: keys older than a day, and the oldest keys beyond {{max_keys}}. The caller of this
-- function has locked the owner's row, and written `new_key` if there is one.
CREATE FUNCTION {{functions}}.remove_keys(caller {{user_id}}, keys INTEGER, new_key TEXT) RETURNS VOID
LANGUAGE plpgsql VOLATILE {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    counted INTEGER := keys;
    removed INTEGER;
BEGIN
    IF counted > {{max_keys}} THEN
        SELECT count(*) INTO counted FROM task_api.idempotency_key AS k WHERE k.user_id = caller;
    END IF;
    DELETE FROM task_api.idempotency_key AS k
    WHERE k.user_id = caller
      AND k.key = ANY (ARRAY(
          SELECT e.key
          FROM task_api.idempotency_key AS e
          WHERE e.user_id = caller
            AND e.key IS DISTINCT FROM new_key
            AND (e.created_at < CURRENT_TIMESTAMP - INTERVAL '24 hours' OR counted > {{max_keys}})
          ORDER BY e.created_at
          LIMIT 100
      ));
    GET DIAGNOSTICS removed = ROW_COUNT;
    UPDATE task_api.task_owner AS o
    SET keys = GREATEST(0, counted - removed),
        keys_since = (SELECT min(k.created_at) FROM task_api.idempotency_key AS k WHERE k.user_id = caller)
    WHERE o.user_id = caller;
END
$$;
