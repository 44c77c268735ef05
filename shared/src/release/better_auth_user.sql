-- Better Auth's own table, as Better Auth would create it, with ids as advanced.database.generateId makes them. So
-- it does not matter which migration runs first: Better Auth adds its other tables beside this one. A table that
-- exists already stays as it is, and only a foreign key of ours depends on it.
CREATE TABLE "user" (
    "id"            {{id}} NOT NULL PRIMARY KEY,
    "name"          TEXT NOT NULL,
    "email"         TEXT NOT NULL UNIQUE,
    "emailVerified" BOOLEAN NOT NULL,
    "image"         TEXT,
    "createdAt"     TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt"     TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP NOT NULL
);
