-- The rare parts of create_task. They belong to {{role}} and run as their caller, create_task.

-- The owner's row when there is none to count in: it is made, or the tasks are counted anew, because
-- the limit was met by a number that deletes leave as it was. 'ok' has counted the new task.
CREATE FUNCTION {{functions}}.make_room(
    IN caller {{user_id}}, IN max_tasks INTEGER, IN with_key BOOLEAN,
    OUT outcome TEXT, OUT keys INTEGER
)
LANGUAGE plpgsql VOLATILE {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    counted INTEGER;
BEGIN
    PERFORM FROM task_api.task_owner AS o WHERE o.user_id = caller FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        -- The user first, as in a delete of the user: no deadlock, and no foreign key error.
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
            keys  = o.keys + with_key::INTEGER
        WHERE o.user_id = caller
        RETURNING 'ok', o.keys INTO outcome, keys;
    END IF;
END
$$;

-- Removes up to 100 keys: those older than a day, and the oldest beyond {{max_keys}}. Its caller has
-- locked the owner's row.
CREATE FUNCTION {{functions}}.remove_keys(caller {{user_id}}, keys INTEGER, new_key TEXT) RETURNS VOID
LANGUAGE plpgsql VOLATILE {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    counted INTEGER := keys;
    removed INTEGER;
BEGIN
    IF counted > {{max_keys}} THEN
        -- 1 for the key that is about to be written, if there is one.
        SELECT count(*) + (new_key IS NOT NULL)::INTEGER INTO counted FROM task_api.idempotency_key AS k WHERE k.user_id = caller;
    END IF;
    DELETE FROM task_api.idempotency_key AS k
    WHERE k.user_id = caller
      AND k.key = ANY (ARRAY(
          SELECT e.key
          FROM task_api.idempotency_key AS e
          WHERE e.user_id = caller
            -- An old key that is sent again is written anew.
            AND e.key IS DISTINCT FROM new_key
            AND (e.created_at < CURRENT_TIMESTAMP - INTERVAL '24 hours' OR counted > {{max_keys}})
          ORDER BY e.created_at
          LIMIT 100
      ));
    GET DIAGNOSTICS removed = ROW_COUNT;
    UPDATE task_api.task_owner AS o SET keys = GREATEST(0, counted - removed) WHERE o.user_id = caller;
END
$$;
