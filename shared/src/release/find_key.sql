        -- The age is no condition of the query: with it, the plan for an empty table reads a user's keys by age.
        SELECT k.fingerprint, k.task_id, k.created_at INTO fingerprint, id, created_at
        FROM task_api.idempotency_key AS k
        WHERE k.user_id = caller AND k.key = new_key;
        IF created_at < yesterday THEN
            fingerprint := NULL; id := NULL; created_at := NULL;
        END IF;
