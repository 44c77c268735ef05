/** Better Auth, inside this application. "API:" marks what the task API relies on. */

import { betterAuth } from "better-auth";
import { jwt } from "better-auth/plugins";
import { Pool } from "pg";
import { appUrl, clientAddressHeader, databaseUrl, secret } from "./settings.ts";

function create() {
  const database = new Pool({
    // node-postgres 8 means verify-full by "require", with a warning.
    connectionString: databaseUrl().replace(/([?&]sslmode=)require(?=&|$)/, "$1verify-full"),
    connectionTimeoutMillis: 10_000,
    max: 5,
  });
  // Neon closes idle connections when it suspends. Without a listener, that would end the process.
  database.on("error", ({ message }) => console.error(`An idle database connection ended: ${message}`));

  return betterAuth({
    // API: its BETTER_AUTH_URL is this one. The origin becomes `iss` and `aud` of every token.
    baseURL: appUrl(),
    secret: secret(),
    database,
    emailAndPassword: { enabled: true },
    // API: the database deletes the tasks of a user who is deleted here.
    user: { deleteUser: { enabled: true } },
    // API: off, because the cached session is a JWT as well, and is not an access token.
    session: { cookieCache: { enabled: false } },
    // On in production, and counted in the database, as there may be many processes. Tests sign up more often than
    // people do.
    rateLimit: process.env.RATE_LIMIT === "off" ? { enabled: false } : { storage: "database" },
    // Attempts are counted by address, which the proxy before this application has to say in a header that clients
    // cannot set: see .env.example.
    advanced: { ipAddress: { ipAddressHeaders: [clientAddressHeader()] } },
    telemetry: { enabled: false },
    plugins: [
      jwt({
        // API: it reads `sub`, `iss`, `aud` and `exp`. By default Better Auth would put the whole user
        // into the token.
        jwt: { definePayload: () => ({}), expirationTime: "15m" },
        // A new key signs every 30 days. The old one stays public for another day, longer than a token lives.
        jwks: { rotationInterval: 30 * 24 * 3600, gracePeriod: 24 * 3600 },
      }),
    ],
  });
}

let instance: ReturnType<typeof create> | undefined;

/** The one instance of this process. It is made at the first use, because a build has no variables. */
export const auth = () => (instance ??= create());
