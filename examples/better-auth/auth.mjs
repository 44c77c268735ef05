// Better Auth, set up so that the task API accepts its tokens. Copy this file into a project that
// has Better Auth. "API:" marks what the API needs, and why; the rest is as good as other choices.

import bcrypt from "bcryptjs";
import { betterAuth } from "better-auth";
import { APIError } from "better-auth/api";
import { bearer, jwt } from "better-auth/plugins";
import { SignJWT } from "jose";
import pg from "pg";

/** A variable that is missing or wrong. The message never shows its value, which may be a secret. */
export class ConfigError extends Error {
  name = "ConfigError";
}

function variable(name, expected, isGood, fallback) {
  const value = process.env[name] || fallback;
  if (value === undefined) throw new ConfigError(`${name}: is missing; set it to ${expected}`);
  if (!isGood(value)) throw new ConfigError(`${name}: must be ${expected}`);
  return value;
}

function choice(name, ...values) {
  return variable(name, values.join(" or "), (value) => values.includes(value), values[0]);
}

function seconds(name, fallback) {
  return Number(variable(name, "a whole number of seconds above 0", (value) => /^[1-9]\d{0,8}$/.test(value), fallback));
}

const isURL = (value, ...protocols) => URL.canParse(value) && protocols.includes(new URL(value).protocol);
const isOrigin = (value) => isURL(value, "http:", "https:") && new URL(value).origin === value;
const entries = (list) => list.split(",").map((entry) => entry.trim()).filter(Boolean);

export const port = Number(
  variable("PORT", "a port, 1 to 65535", (value) => /^[1-9]\d{0,4}$/.test(value) && Number(value) < 65536, "3005"),
);

const databaseURL = variable("DATABASE_URL", "the postgres:// URL of the database", (value) =>
  isURL(value, "postgres:", "postgresql:"),
);

// API: with TOKENS=hs256 the API's BETTER_AUTH_SECRET is this one. Cookies are signed with it too.
const secret = variable(
  "BETTER_AUTH_SECRET",
  "at least 32 random characters, such as `openssl rand -base64 32` prints",
  (value) => value.length >= 32,
);

// API: the API's BETTER_AUTH_URL is this one. Its origin becomes `iss` and `aud` of every token.
const baseURL = variable(
  "BETTER_AUTH_URL",
  "the http:// or https:// URL at which browsers reach this server",
  (value) => isURL(value, "http:", "https:"),
  `http://127.0.0.1:${port}`,
);

const trustedOrigins = entries(
  variable("TRUSTED_ORIGINS", "origins such as https://app.example.com, separated by commas", (value) =>
    entries(value).every(isOrigin), ""),
);

const tokens = choice("TOKENS", "jwks", "hs256");

// API: its USER_IDS is this one. Better Auth's own ids are texts of 32 characters. Choose before the first user
// signs up: ids cannot be changed later.
const userIds = choice("USER_IDS", "text", "integer", "uuid");

const claims = {
  expirationTime: variable("JWT_EXPIRES_IN", "a time such as 30s, 15m or 12h", (value) =>
    /^-?\d{1,9}[smhd]$/.test(value), "15m"),
  // API: it reads `sub`, `iss`, `aud` and `exp`, which are always there, and has the user in its
  // database. Better Auth would put the whole user into a token: every request would carry it, it
  // would be out of date, and with HS256 an `email` claim is dangerous. The links that verify an
  // e-mail address are HS256 tokens under the same secret, told by that claim alone.
  definePayload: () => ({}),
};

// API: needs only the public keys, which it fetches from <BETTER_AUTH_URL>/api/auth/jwks.
const keyPair = {
  jwt: claims,
  jwks: {
    // For keys yet to be made: one that is in the table "jwks" stays in use.
    keyPairConfig: { alg: choice("JWT_ALG", "EdDSA", "ES256", "RS256", "PS256") },
    // A new key signs after so long; without it the first one does for good.
    rotationInterval: process.env.JWKS_ROTATION_SECONDS ? seconds("JWKS_ROTATION_SECONDS") : undefined,
    // A key that signs no more stays public so long. A token must not live longer.
    gracePeriod: seconds("JWKS_GRACE_SECONDS", "2592000"),
  },
};

// API: needs the secret, and could sign tokens itself. The plugin has no HS256: `sign` is its hook
// for others to sign, which asks for a `remoteUrl` (/api/auth/jwks is a 404 then) and for an `alg`
// (never used).
const sharedSecret = {
  jwt: {
    ...claims,
    sign: (payload, header) =>
      new SignJWT(payload)
        .setProtectedHeader({ ...header, alg: "HS256", typ: "JWT" })
        .sign(new TextEncoder().encode(secret)),
  },
  jwks: { remoteUrl: new URL("/no-jwks", baseURL).href, keyPairConfig: { alg: "EdDSA" } },
};

const database = new pg.Pool({
  // node-postgres 8 means verify-full by "require", with a warning; 9 will not look at certificates.
  connectionString: databaseURL.replace(/([?&]sslmode=)require(?=&|$)/, "$1verify-full"),
  enableChannelBinding: true,
  connectionTimeoutMillis: 10_000,
});
// Without a listener this would end the process: Neon closes idle connections when it suspends.
database.on("error", ({ message }) => console.error(`An idle connection to the database ended: ${message}`));

export const auth = betterAuth({
  baseURL,
  secret,
  trustedOrigins,
  database,
  advanced: {
    database: { text: {}, integer: { generateId: "serial" }, uuid: { generateId: "uuid" } }[userIds],
    // Otherwise a variable TEST or NODE_ENV=test would switch the check of origins off.
    disableOriginCheck: false,
  },
  emailAndPassword: {
    enabled: true,
    // bcrypt, as most Python backends have it: their hashes can be taken over into "account".
    password: {
      hash: async (password) => {
        if (bcrypt.truncates(password)) {
          throw new APIError("BAD_REQUEST", { code: "PASSWORD_TOO_LONG", message: "Password too long" });
        }
        return bcrypt.hash(password, 10);
      },
      verify: ({ hash, password }) => bcrypt.compare(password, hash),
    },
  },
  // API: the database deletes a user's tasks with the user, also when it is done here.
  user: { deleteUser: { enabled: true } },
  // API: a session's cookie is for Better Auth alone. Off, since with `strategy: "jwt"` the cached
  // session is a JWT under the same secret or key: it looks like an access token and is none.
  session: { cookieCache: { enabled: false } },
  rateLimit: { enabled: choice("RATE_LIMIT", "on", "off") === "on" },
  plugins: [
    // GET /api/auth/token: a session's token for the API.
    jwt(tokens === "jwks" ? keyPair : sharedSecret),
    // Clients without cookies send the session token that sign-in answers with: Authorization: Bearer.
    bearer(),
  ],
});
