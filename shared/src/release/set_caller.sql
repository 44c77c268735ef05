    -- From here on row-level security shows this user's rows alone. Without a caller, the owner of the tables would
    -- see all of them, so that a caller who is NULL is an error (22004).
    ignored TEXT NOT NULL := NULLIF(set_config('task_api.caller', caller::TEXT, TRUE), '');
