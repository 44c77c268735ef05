    -- From here on, row-level security shows only this user's rows. Without a caller, the owner of the tables would
    -- see all rows. So a NULL caller is an error (22004).
    ignored TEXT NOT NULL := NULLIF(set_config('task_api.caller', caller::TEXT, TRUE), '');
