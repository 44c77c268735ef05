-- The rows that operations return. `clock` is the time of this server's clock at the end of a write, and NULL for a
-- read. A row of a type costs less than OUT parameters: Postgres keeps what it knows of a type, and works out a row of
-- OUT parameters anew for each call.
CREATE TYPE {{functions}}.answer AS (outcome TEXT, clock TIMESTAMPTZ);
CREATE TYPE {{functions}}.task_answer AS (outcome TEXT, clock TIMESTAMPTZ, {{task_types}});
CREATE TYPE {{functions}}.created_answer AS (outcome TEXT, clock TIMESTAMPTZ, id BIGINT, created_at TIMESTAMPTZ);
CREATE TYPE {{functions}}.user_answer AS (
    outcome TEXT, clock TIMESTAMPTZ, name TEXT, email TEXT, image TEXT, email_verified BOOLEAN,
    created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ
);
