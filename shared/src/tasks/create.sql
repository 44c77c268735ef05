-- Creates a task unless its owner has `max_tasks`. With a key, the same request sent again gets the
-- first answer ('replayed': id and created_at, the rest is in the request), and another request is
-- refused ('key_reused'). A key counts for 24 hours, and a user's newest {{max_keys}} count.
-- Creates of one user wait for each other at the row of task_owner, which is locked before all else.
CREATE FUNCTION {{functions}}.create_task(
    IN caller {{user_id}}, IN deadline TIMESTAMPTZ, IN patience INTEGER,
    IN new_title TEXT, IN new_description TEXT, IN max_tasks INTEGER, IN new_key TEXT, IN new_fingerprint BYTEA,
    OUT outcome TEXT, OUT clock TIMESTAMPTZ, OUT id BIGINT, OUT created_at TIMESTAMPTZ
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER {{search_path}}
AS $$
#variable_conflict use_column
DECLARE
    setting TEXT NOT NULL := NULLIF(set_config('task_api.caller', caller::TEXT, TRUE), '');
    yesterday CONSTANT TIMESTAMPTZ := CURRENT_TIMESTAMP - INTERVAL '24 hours';
    keys INTEGER;
    fingerprint BYTEA;
BEGIN
    {{begin_write}}

    IF new_key IS NOT NULL THEN
        -- The age is no condition of the query: with it, the plan for an empty table reads a user's keys by age.
        SELECT k.fingerprint, k.task_id, k.created_at INTO fingerprint, id, created_at
        FROM task_api.idempotency_key AS k
        WHERE k.user_id = caller AND k.key = new_key;
        IF created_at < yesterday THEN
            fingerprint := NULL; id := NULL; created_at := NULL;
        END IF;
    END IF;

    IF id IS NULL THEN
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

        IF outcome = 'ok' AND keys > 0 THEN
            IF keys > {{max_keys}} OR EXISTS (
                SELECT FROM task_api.idempotency_key AS k WHERE k.user_id = caller AND k.created_at < yesterday
            ) THEN
                PERFORM {{functions}}.remove_keys(caller, keys, new_key);
            END IF;
        END IF;

        IF outcome = 'ok' AND new_key IS NOT NULL THEN
            INSERT INTO task_api.idempotency_key AS k (user_id, key, fingerprint, task_id)
            VALUES (caller, new_key, new_fingerprint, nextval('task_api.task_id_seq'))
            ON CONFLICT (user_id, key) DO UPDATE
            SET fingerprint = EXCLUDED.fingerprint, task_id = EXCLUDED.task_id, created_at = EXCLUDED.created_at
            WHERE k.created_at < yesterday
            RETURNING k.task_id, k.created_at INTO id, created_at;
            IF NOT FOUND THEN
                -- The same key came first, while this waited for the owner's row.
                UPDATE task_api.task_owner AS o SET tasks = o.tasks - 1, keys = o.keys - 1 WHERE o.user_id = caller;
                outcome := NULL;
            END IF;
        END IF;

        IF outcome = 'ok' THEN
            IF new_key IS NULL THEN
                INSERT INTO task_api.task AS t (user_id, title, description, search_text)
                VALUES (caller, new_title, new_description, lower(new_title || chr(31) || COALESCE(new_description, '')))
                RETURNING t.id, t.created_at INTO id, created_at;
            ELSE
                INSERT INTO task_api.task (id, user_id, title, description, search_text)
                VALUES (id, caller, new_title, new_description, lower(new_title || chr(31) || COALESCE(new_description, '')));
            END IF;
        ELSIF new_key IS NOT NULL AND outcome IS DISTINCT FROM 'no_user' THEN
            SELECT k.fingerprint, k.task_id, k.created_at INTO fingerprint, id, created_at
            FROM task_api.idempotency_key AS k
            WHERE k.user_id = caller AND k.key = new_key;
            IF created_at < yesterday THEN
                fingerprint := NULL; id := NULL; created_at := NULL;
            END IF;
        END IF;
    END IF;

    IF fingerprint IS NOT NULL THEN
        outcome := CASE WHEN fingerprint = new_fingerprint THEN 'replayed' ELSE 'key_reused' END;
    END IF;
    {{end_write}}
END
$$;
