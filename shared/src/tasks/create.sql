-- Creates a task, unless its owner has `max_tasks` tasks. With a key, a repeated request gets the first answer
-- ('replayed': id and created_at, because the rest is in the request), and another request is refused
-- ('key_reused'). A key counts for 24 hours, and only the newest {{max_keys}} keys of a user count. Creates of one
-- user wait for each other at the row of task_owner.
CREATE FUNCTION {{functions}}.create_task(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms INTEGER,
    IN new_title TEXT, IN new_description TEXT, IN max_tasks INTEGER, IN new_key TEXT, IN new_fingerprint BYTEA
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    {{set_caller}}
    answer {{functions}}.created_answer;
    yesterday CONSTANT TIMESTAMPTZ := CURRENT_TIMESTAMP - INTERVAL '24 hours';
    outcome TEXT := 'ok';
    keys INTEGER;
    keys_since TIMESTAMPTZ;
    id BIGINT;
    created_at TIMESTAMPTZ;
    fingerprint BYTEA;
BEGIN
    {{begin_write}}

    -- Counts the task. This locks the owner's row.
    UPDATE task_api.task_owner AS o
    SET tasks = o.tasks + 1,
        keys  = CASE WHEN new_key IS NULL THEN o.keys ELSE o.keys + 1 END,
        keys_since = CASE WHEN new_key IS NULL THEN o.keys_since ELSE LEAST(o.keys_since, CURRENT_TIMESTAMP) END
    WHERE o.user_id = caller AND o.tasks < max_tasks
    RETURNING o.keys, o.keys_since INTO keys, keys_since;
    IF NOT FOUND THEN
        SELECT r.outcome, r.keys, r.keys_since INTO outcome, keys, keys_since
        FROM {{functions}}.make_room(caller, max_tasks, new_key IS NOT NULL) AS r;
    END IF;

    IF new_key IS NOT NULL AND outcome = 'ok' THEN
        -- Claims the key, which stores the id of the new task.
        INSERT INTO task_api.idempotency_key AS k (user_id, key, fingerprint, task_id)
        VALUES (caller, new_key, new_fingerprint, nextval('task_api.task_id_seq'))
        ON CONFLICT (user_id, key) DO UPDATE
        SET fingerprint = EXCLUDED.fingerprint, task_id = EXCLUDED.task_id, created_at = EXCLUDED.created_at
        WHERE k.created_at < yesterday
        RETURNING k.task_id INTO id;
        IF NOT FOUND THEN
            -- An earlier request has this key, so this one does not count. The conflict has locked the key, which is
            -- found again below.
            UPDATE task_api.task_owner AS o SET tasks = o.tasks - 1, keys = o.keys - 1 WHERE o.user_id = caller;
            outcome := 'key_taken';
        END IF;
    END IF;

    IF outcome = 'ok' THEN
        IF keys > {{max_keys}} OR keys_since < yesterday THEN
            PERFORM {{functions}}.remove_keys(caller, keys, new_key);
        END IF;
        INSERT INTO task_api.task AS t (id, user_id, title, description, search_bytes)
        VALUES (
            COALESCE(id, nextval('task_api.task_id_seq')), caller, new_title, new_description,
            convert_to(lower(new_title || chr(31) || COALESCE(new_description, '')), 'UTF8')
        )
        RETURNING 'ok', NULL::TIMESTAMPTZ, t.id, t.created_at INTO answer;
    ELSE
        IF new_key IS NOT NULL AND outcome <> 'no_user' THEN
            -- What the earlier request created. It may also have used up the limit. The query has no condition on the
            -- age: with one, the plan for an empty table would read all keys of a user by age.
            SELECT k.fingerprint, k.task_id, k.created_at INTO fingerprint, id, created_at
            FROM task_api.idempotency_key AS k
            WHERE k.user_id = caller AND k.key = new_key;
            IF created_at >= yesterday THEN
                outcome := CASE WHEN fingerprint = new_fingerprint THEN 'replayed' ELSE 'key_reused' END;
            ELSE
                id := NULL; created_at := NULL;
            END IF;
        END IF;
        answer := (outcome, NULL::TIMESTAMPTZ, id, created_at);
    END IF;
    {{end_write}}
END
$$;
