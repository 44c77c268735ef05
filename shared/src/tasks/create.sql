-- Creates a task, unless its owner has `max_tasks` tasks. With a key, a repeated request gets the first answer
-- ('replayed': id and created_at, because the rest is in the request), and another request is refused
-- ('key_reused'). A key counts for 24 hours, and only the newest {{max_keys}} keys of a user count. Creates of one
-- user wait for each other at the row of task_owner.
CREATE FUNCTION {{functions}}.create_task(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms INTEGER,
    IN new_title TEXT, IN new_description TEXT, IN max_tasks INTEGER, IN new_key TEXT, IN new_fingerprint BYTEA,
    OUT outcome TEXT, OUT clock TIMESTAMPTZ, OUT id BIGINT, OUT created_at TIMESTAMPTZ
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    {{set_caller}}
    yesterday CONSTANT TIMESTAMPTZ := CURRENT_TIMESTAMP - INTERVAL '24 hours';
    keys INTEGER;
    fingerprint BYTEA;
BEGIN
    {{begin_write}}

    -- An earlier request with this key may have created a task.
    IF new_key IS NOT NULL THEN
        {{find_key}}
    END IF;

    IF id IS NULL THEN
        -- Counts the task. This locks the owner's row.
        UPDATE task_api.task_owner AS o
        SET tasks = o.tasks + 1,
            keys  = CASE WHEN new_key IS NULL THEN o.keys ELSE o.keys + 1 END
        WHERE o.user_id = caller AND o.tasks < max_tasks
        RETURNING o.keys INTO keys;
        outcome := 'ok';
        IF NOT FOUND THEN
            SELECT r.outcome, r.keys INTO outcome, keys
            FROM {{functions}}.make_room(caller, max_tasks, new_key IS NOT NULL) AS r;
        END IF;

        -- Removes keys that do not count any more.
        IF outcome = 'ok' AND keys > 0 THEN
            IF keys > {{max_keys}} OR EXISTS (
                SELECT FROM task_api.idempotency_key AS k WHERE k.user_id = caller AND k.created_at < yesterday
            ) THEN
                PERFORM {{functions}}.remove_keys(caller, keys, new_key);
            END IF;
        END IF;

        -- Claims the key, which stores the id of the new task.
        IF outcome = 'ok' AND new_key IS NOT NULL THEN
            INSERT INTO task_api.idempotency_key AS k (user_id, key, fingerprint, task_id)
            VALUES (caller, new_key, new_fingerprint, nextval('task_api.task_id_seq'))
            ON CONFLICT (user_id, key) DO UPDATE
            SET fingerprint = EXCLUDED.fingerprint, task_id = EXCLUDED.task_id, created_at = EXCLUDED.created_at
            WHERE k.created_at < yesterday
            RETURNING k.task_id INTO id;
            IF NOT FOUND THEN
                -- Another request with this key came first, while this request waited for the owner's row.
                UPDATE task_api.task_owner AS o SET tasks = o.tasks - 1, keys = o.keys - 1 WHERE o.user_id = caller;
                outcome := 'key_taken';
            END IF;
        END IF;

        IF outcome = 'ok' THEN
            INSERT INTO task_api.task AS t (id, user_id, title, description, search_text)
            VALUES (
                COALESCE(id, nextval('task_api.task_id_seq')), caller, new_title, new_description,
                lower(new_title || chr(31) || COALESCE(new_description, ''))
            )
            RETURNING t.id, t.created_at INTO id, created_at;
        ELSIF new_key IS NOT NULL AND outcome <> 'no_user' THEN
            -- The request that came first may also have used up the limit, so this looks the key up for every
            -- outcome.
            {{find_key}}
        END IF;
    END IF;

    IF fingerprint IS NOT NULL THEN
        outcome := CASE WHEN fingerprint = new_fingerprint THEN 'replayed' ELSE 'key_reused' END;
    END IF;
    {{end_write}}
END
$$;
