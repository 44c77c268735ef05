    -- A write that arrives after its deadline does nothing. It returns the time of this server's clock. Otherwise, waiting
    -- for a lock ends when the write's time is over (55P03). (One expression, because each costs a hundredth of a write.)
    IF (clock_timestamp() <= deadline AND set_config('lock_timeout', lock_timeout_ms, TRUE) IS NOT NULL) IS NOT TRUE THEN
        answer.outcome := 'late';
        answer.clock := clock_timestamp();
        RETURN answer;
    END IF;
