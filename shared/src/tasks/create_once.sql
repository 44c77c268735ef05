-- Creates a task as create_task does, and only once for a key: a repeated request gets the first answer ('replayed': id
-- and created_at, because the rest is in the request), and another request with the key is refused ('key_reused'). A key
-- counts for 24 hours, and a user has at most {{max_keys}} keys.
CREATE FUNCTION {{functions}}.create_task_once(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN lock_timeout_ms TEXT,
    IN new_title TEXT, IN new_description TEXT, IN max_tasks INTEGER, IN new_key TEXT, IN new_fingerprint BYTEA
)
RETURNS RECORD
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
DECLARE
    {{set_caller}}
    answer {{functions}}.created_answer;
    new_id BIGINT;
    earlier task_api.idempotency_key;
BEGIN
    {{begin_write}}
    -- Counts the task and the key. This locks the owner's row.
    UPDATE task_api.task_owner AS o
    SET tasks = o.tasks + 1, keys = o.keys + 1, keys_since = LEAST(o.keys_since, CURRENT_TIMESTAMP)
    WHERE o.user_id = caller AND o.tasks < max_tasks AND o.keys < {{max_keys}} AND {{no_old_keys}};
    IF NOT FOUND THEN
        answer.outcome := {{functions}}.make_room(caller, max_tasks, new_key);
    END IF;
    IF answer.outcome IS NULL OR answer.outcome = 'ok' THEN
        -- Claims the key, which stores the id of the new task.
        INSERT INTO task_api.idempotency_key AS k (user_id, key, fingerprint, task_id)
        VALUES (caller, new_key, new_fingerprint, nextval('task_api.task_id_seq'))
        ON CONFLICT (user_id, key) DO NOTHING
        RETURNING k.task_id INTO new_id;
        IF FOUND THEN
            INSERT INTO task_api.task AS t (id, user_id, title, description, search_bytes)
            VALUES (new_id, caller, new_title, new_description, {{search_bytes}})
            RETURNING 'ok', NULL::TIMESTAMPTZ, t.id, t.created_at INTO answer;
            {{end_write}}
        END IF;
        -- An earlier request has this key. This one was counted, and stays so: a second write of the owner's row
        -- would check its foreign key, and could wait for a delete of the user that waits for this row.
    END IF;
    -- What the earlier request created. It may also have used up the limit.
    SELECT k.* INTO earlier FROM task_api.idempotency_key AS k WHERE k.user_id = caller AND k.key = new_key;
    IF FOUND THEN
        answer := (
            CASE WHEN earlier.fingerprint = new_fingerprint THEN 'replayed' ELSE 'key_reused' END,
            NULL::TIMESTAMPTZ, earlier.task_id, earlier.created_at
        );
    END IF;
    {{end_write}}
END
$$;
