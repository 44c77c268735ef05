    -- A server that stood still in the middle commits nothing afterwards.
    clock := clock_timestamp();
    IF (clock <= deadline) IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'TA001', MESSAGE = 'too late to commit';
    END IF;
