-- The rows that every sample event meets.
TRUNCATE "user" CASCADE;

INSERT INTO "user" (id, name, email, "emailVerified", image, "createdAt", "updatedAt") VALUES
    (1, 'Alice', 'alice@example.com', TRUE, NULL, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05.123Z'),
    (2, 'Bob', 'bob@example.com', FALSE, NULL, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z');

INSERT INTO task_api.task (id, title, description, completed, user_id, created_at, updated_at) VALUES
    (1, 'Buy milk', 'two litres', FALSE, 1, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'),
    (2, 'Call Bob', NULL, TRUE, 1, '2026-01-02T03:04:05.5Z', '2026-01-02T03:04:05.5Z'),
    (3, 'Bob''s own', NULL, FALSE, 2, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z');

ALTER SEQUENCE task_api.task_id_seq RESTART 101;
