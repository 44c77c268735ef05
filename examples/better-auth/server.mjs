// Better Auth by itself on 127.0.0.1, behind whatever ends TLS. A framework would mount `auth`
// instead: its documentation has a page for each.

import { createServer } from "node:http";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));

function quit(code, problem) {
  console.error(problem);
  process.exit(code);
}

/** One line on what happened. A connection that failed at several addresses has no message itself. */
function reason(error) {
  const text = error.message || error.errors?.map(({ message }) => message).join(", ") || error.code || String(error);
  return text.replace(/\s+/g, " ");
}

const { auth, port } = await import("./auth.mjs").catch((error) => {
  if (error.name !== "ConfigError") throw error;
  quit(2, error.message);
});

// Adds what is missing, so it does not matter whether the API's migration ran before. Both create
// "user" when it is not there: let one end before the other starts.
try {
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
} catch (error) {
  quit(1, `The database that DATABASE_URL names cannot be used: ${reason(error)}`);
}

/** Adds the CORS headers, which Better Auth leaves to its host. Says whether that was all there is to do. */
function answerPreflight(request, response) {
  const { origin } = request.headers;
  const isTrusted = auth.options.trustedOrigins.includes(origin);
  response.setHeader("vary", "Origin");
  if (isTrusted) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-allow-credentials", "true");
  }
  if (request.method !== "OPTIONS") return false;
  if (isTrusted) {
    response.setHeader("access-control-allow-methods", "GET, POST");
    response.setHeader("access-control-allow-headers", "authorization, content-type");
    response.setHeader("access-control-max-age", "600");
  }
  response.writeHead(204).end();
  return true;
}

const handle = toNodeHandler(auth);

createServer(async (request, response) => {
  if (answerPreflight(request, response)) return;
  // A proxy says whose request it is; without one this is the client. Rate limits count by address.
  request.headers["x-forwarded-for"] ??= request.socket.remoteAddress;
  try {
    await handle(request, response);
  } catch (error) {
    console.error(reason(error));
    if (!response.headersSent) response.writeHead(400);
    response.end();
  }
})
  .on("error", (error) => quit(1, `PORT: ${reason(error)}`))
  .listen(port, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${port}`));
