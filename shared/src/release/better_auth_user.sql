-- Better Auth's own table, in exactly its own words, with ids as its advanced.database.generateId has them, so that it does not matter
-- whose migration runs first: Better Auth adds its other tables beside it. One that is there stays as it
-- is, and nothing of ours depends on it but a foreign key.
CREATE TABLE "user" (
    "id"            {{id}} NOT NULL PRIMARY KEY,
    "name"          TEXT NOT NULL,
    "email"         TEXT NOT NULL UNIQUE,
    "emailVerified" BOOLEAN NOT NULL,
    "image"         TEXT,
    "createdAt"     TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt"     TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP NOT NULL
);
