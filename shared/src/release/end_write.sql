    -- A server that stood still during the write must not commit it after the deadline.
    answer.clock := clock_timestamp();
    IF (answer.clock <= deadline) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'TA001', MESSAGE = 'too late to commit';
    END IF;
    RETURN answer;
