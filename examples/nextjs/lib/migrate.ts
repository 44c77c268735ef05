/**
 * Makes the tables of Better Auth, or adds what is missing: `npm run migrate`, before a release takes traffic.
 *
 * Run the API's own migration first, so that only one of the two creates the table "user".
 */

import { getMigrations } from "better-auth/db/migration";
import { auth } from "./auth.ts";

try {
  const { toBeCreated, toBeAdded, runMigrations } = await getMigrations(auth().options);
  await runMigrations();
  const changed = [...toBeCreated, ...toBeAdded].map(({ table }) => table);
  console.log(changed.length > 0 ? `Better Auth's tables: changed ${changed.join(", ")}` : "Better Auth's tables: nothing to do");
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
