/** The variables of the environment, read when they are needed: a build has none of them. */

function variable(name: string, expected: string, isGood: (value: string) => boolean): string {
  const value = process.env[name] ?? "";
  // The message never shows the value, which may be a secret.
  if (!isGood(value)) throw new Error(`${name} must be ${expected}; see .env.example`);
  return value;
}

const isUrl = (value: string, ...protocols: string[]) =>
  URL.canParse(value) && protocols.includes(new URL(value).protocol);

/** Where browsers reach this application. */
export const appUrl = () =>
  variable("BETTER_AUTH_URL", "the http:// or https:// address of this application", (value) =>
    isUrl(value, "http:", "https:"));

/** Where browsers reach the task API, without a slash at the end. */
export const apiUrl = () =>
  variable("API_URL", "the http:// or https:// address of the task API", (value) =>
    isUrl(value, "http:", "https:")).replace(/\/+$/, "");

export const databaseUrl = () =>
  variable("DATABASE_URL", "the postgres:// address of the database", (value) =>
    isUrl(value, "postgres:", "postgresql:"));

/** The header in which the proxy before this application says who calls. */
export const clientAddressHeader = () => process.env.CLIENT_ADDRESS_HEADER || "x-forwarded-for";

export const secret = () =>
  variable("BETTER_AUTH_SECRET", "at least 32 random characters", (value) => value.length >= 32);
