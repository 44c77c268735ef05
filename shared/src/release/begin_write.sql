    -- A write that comes too late does nothing, and says what time it is here.
    clock := clock_timestamp();
    IF (clock <= deadline) IS NOT TRUE THEN
        outcome := 'late';
        RETURN;
    END IF;
    -- Waiting for another transaction ends with the time there is, in milliseconds (55P03).
    ignored := set_config('lock_timeout', GREATEST(1, lock_timeout_ms)::TEXT, TRUE);
