        -- The query has no condition on the age. With one, the plan for an empty table would read all keys of a user
        -- by age.
        SELECT k.fingerprint, k.task_id, k.created_at INTO fingerprint, id, created_at
        FROM task_api.idempotency_key AS k
        WHERE k.user_id = caller AND k.key = new_key;
        IF created_at < yesterday THEN
            fingerprint := NULL; id := NULL; created_at := NULL;
        END IF;
