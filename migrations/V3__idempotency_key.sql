-- What a task was created with, so that the same request sent again gets the same answer. The rest
-- of that answer is in the request itself.
CREATE TABLE idempotency_key (
    user_id     INTEGER NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
    key         VARCHAR(255) NOT NULL,
    -- SHA-256 of title and description.
    fingerprint BYTEA NOT NULL,
    -- No foreign key: the answer stays what it was when the task has been deleted since.
    task_id     BIGINT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (user_id, key)
);

-- A user's expired keys, which the next create of theirs removes.
CREATE INDEX idempotency_key_user_id_created_at ON idempotency_key (user_id, created_at);
