-- What operations return. `clock` is the time of this server's clock at the end of a write, and NULL for a read. A
-- variable of a type costs less than OUT parameters, which Postgres works out anew for each call. Operations that return
-- one of these RETURN RECORD, whose type every client knows.
CREATE TYPE {{functions}}.answer AS (outcome TEXT, clock TIMESTAMPTZ);
CREATE TYPE {{functions}}.task_answer AS (outcome TEXT, clock TIMESTAMPTZ, {{task_types}});
CREATE TYPE {{functions}}.created_answer AS (outcome TEXT, clock TIMESTAMPTZ, id BIGINT, created_at TIMESTAMPTZ);
CREATE TYPE {{functions}}.user_answer AS (
    outcome TEXT, clock TIMESTAMPTZ, name TEXT, email TEXT, image TEXT, email_verified BOOLEAN,
    created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ
);
