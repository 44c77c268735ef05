    -- A write that arrives after its deadline does nothing. It returns the time of this server's clock.
    IF (clock_timestamp() <= deadline) IS NOT TRUE THEN
        answer.outcome := 'late';
        answer.clock := clock_timestamp();
        RETURN answer;
    END IF;
    -- Waiting for a lock ends when the write's time is over (55P03).
    ignored := set_config('lock_timeout', GREATEST(1, lock_timeout_ms)::TEXT, TRUE);
