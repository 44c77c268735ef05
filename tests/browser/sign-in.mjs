// In headless Chromium, with the page's own `fetch`: a page signs in at Better Auth, gets a token and
// works on tasks; and a page whose origin is not allowed can do nothing in the same browser.
//
// usage: CHROMIUM=/usr/bin/chromium node sign-in.mjs API_BASE ISSUER_BASE PAGE_PORT
//
// The page is at http://localhost:PAGE_PORT, which the API and Better Auth have to allow. ISSUER_BASE
// names localhost as well: a browser sends Better Auth's cookies, SameSite=Lax, to the same site only.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { launch } from "./browser.mjs";

const [api, issuer, port] = process.argv.slice(2);
assert.equal(new URL(issuer).hostname, "localhost", "ISSUER_BASE: its host must be localhost, as the page's is");
const auth = `${issuer}/api/auth`;

const home = await serve(Number(port));
// Another port is another origin, yet the same site: cookies do go along, and only CORS is in the way.
const elsewhere = await serve(0);
const browser = await launch();

/** Serves an empty page, and returns its origin. */
async function serve(port) {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>Tasks</title>");
  });
  server.unref().listen(port, "localhost");
  await once(server, "listening");
  return `http://localhost:${server.address().port}`;
}

async function open(context, origin) {
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(origin);
  return page;
}

/** What a page's `fetch` gives it: the answer as far as the page may see it, or the name of the error. */
function request(page, method, url, { token, json, form } = {}) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (json) headers["content-type"] = "application/json";
  const options = { method, headers, body: json && JSON.stringify(json), credentials: "include" };
  return page.evaluate(async ({ url, options, form }) => {
    if (form) options.body = new URLSearchParams(form);
    try {
      const response = await fetch(url, { ...options, signal: AbortSignal.timeout(20_000) });
      const { status, headers } = response;
      return { status, headers: Object.fromEntries(headers), body: await response.json() };
    } catch (error) {
      return { error: error.name };
    }
  }, { url, options, form });
}

/** The answer to a request that must be answered with a status. */
async function answer(status, page, method, url, options) {
  const answer = await request(page, method, url, options);
  assert.equal(answer.status, status, `${method} ${url} from ${page.url()}: ${JSON.stringify(answer)}`);
  return answer;
}

/** A request that the browser must not let a page make, or not let it see the answer of. */
async function refused(page, method, url, options) {
  const reason = page.waitForEvent("console", (message) => message.text().includes("blocked by CORS policy"));
  reason.catch(() => {}); // It never comes when the next line throws.
  const answer = await request(page, method, url, options);
  assert.equal(answer.error, "TypeError", `${method} ${url} from ${page.url()}: ${JSON.stringify(answer)}`);
  await reason;
}

function newUser(name) {
  return { name, email: `${name}-${crypto.randomUUID()}@example.com`.toLowerCase(), password: "correct horse battery" };
}

async function test(name, run) {
  const context = await browser.newContext();
  try {
    await run(context);
    console.log(`test browser::${name} ... ok`);
  } catch (error) {
    console.error(`test browser::${name} ... FAILED\n${error.stack}`);
    process.exitCode = 1;
  } finally {
    await context.close();
  }
}

try {
  await test("a_page_signs_in_and_works_on_tasks", async (context) => {
    const page = await open(context, home);
    const { name, email, password } = newUser("Alice");
    await answer(200, page, "POST", `${auth}/sign-up/email`, { json: { name, email, password } });
    await answer(200, page, "POST", `${auth}/sign-out`, { json: {} });
    await answer(401, page, "GET", `${auth}/token`);
    await answer(200, page, "POST", `${auth}/sign-in/email`, { json: { email, password } });
    const { token } = (await answer(200, page, "GET", `${auth}/token`)).body;

    const me = (await answer(200, page, "GET", `${api}/api/users/me`, { token })).body;
    assert.equal(me.email, email);
    const tasks = `${api}/api/${me.id}/tasks`;
    const created = await answer(201, page, "POST", tasks, { token, json: { title: "From a page" } });
    assert.equal(created.headers.location, `/api/${me.id}/tasks/${created.body.id}`);
    assert.ok(created.headers["x-request-id"], JSON.stringify(created.headers));
    const task = new URL(created.headers.location, api).href;
    assert.deepEqual((await answer(200, page, "GET", tasks, { token })).body, [created.body]);
    const toggled = (await answer(200, page, "PATCH", `${task}/complete`, { token })).body;
    assert.equal(toggled.completed, true);
    assert.deepEqual((await answer(200, page, "DELETE", task, { token })).body, { message: "Task deleted" });
    assert.deepEqual((await answer(200, page, "GET", tasks, { token })).body, []);

    const forged = token.split(".").with(2, "A".repeat(43)).join(".");
    for (const token of [undefined, forged]) {
      const { body, headers } = await answer(401, page, "GET", tasks, { token });
      assert.deepEqual(body, { detail: "Not authenticated" });
      assert.ok(headers["x-request-id"], JSON.stringify(headers));
    }

    await answer(200, page, "POST", `${auth}/delete-user`, { json: { password } });
    await answer(401, page, "GET", tasks, { token });
  });

  await test("a_page_of_a_foreign_origin_can_do_nothing", async (context) => {
    const [page, foreign] = [await open(context, home), await open(context, elsewhere)];
    const [alice, eve] = [newUser("Alice"), newUser("Eve")];
    await answer(200, page, "POST", `${auth}/sign-up/email`, { json: alice });
    const { token } = (await answer(200, page, "GET", `${auth}/token`)).body;
    const me = (await answer(200, page, "GET", `${api}/api/users/me`, { token })).body;
    const tasks = `${api}/api/${me.id}/tasks`;
    const kept = (await answer(201, page, "POST", tasks, { token, json: { title: "Kept" } })).body;
    const task = `${tasks}/${kept.id}`;

    const { email, password } = alice;
    await refused(foreign, "POST", `${auth}/sign-in/email`, { json: { email, password } });
    await refused(foreign, "POST", `${auth}/sign-up/email`, { json: eve });
    await refused(foreign, "POST", `${auth}/delete-user`, { json: { password } });
    // These need no preflight and reach Better Auth, with the cookie.
    await refused(foreign, "POST", `${auth}/sign-in/email`, { form: { email, password } });
    await refused(foreign, "POST", `${auth}/sign-up/email`, { form: eve });
    await refused(foreign, "POST", `${auth}/sign-out`);
    await refused(foreign, "GET", `${auth}/token`);
    await refused(foreign, "GET", `${auth}/get-session`);

    await refused(foreign, "GET", tasks, { token });
    await refused(foreign, "POST", tasks, { token, json: { title: "From elsewhere" } });
    await refused(foreign, "GET", task, { token });
    await refused(foreign, "PUT", task, { token, json: { title: "From elsewhere" } });
    await refused(foreign, "PATCH", `${task}/complete`, { token });
    await refused(foreign, "DELETE", task, { token });
    await refused(foreign, "GET", `${api}/api/users/me`, { token });
    await refused(foreign, "PATCH", `${api}/api/users/me`, { token, json: { name: "Eve" } });
    await refused(foreign, "DELETE", `${api}/api/users/me`, { token });
    // And these reach the API.
    await refused(foreign, "GET", tasks);
    await refused(foreign, "POST", tasks, { form: { title: "From elsewhere" } });

    const headers = { authorization: `Bearer ${token}` };
    assert.deepEqual(await (await fetch(tasks, { headers })).json(), [kept]);
    assert.deepEqual(await (await fetch(`${api}/api/users/me`, { headers })).json(), me);
    const signIn = await fetch(`${auth}/sign-in/email`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: home },
      body: JSON.stringify({ email: eve.email, password: eve.password }),
    });
    assert.equal(signIn.status, 401, `${eve.email} has an account: ${await signIn.text()}`);
    await answer(200, page, "GET", `${auth}/token`);
    await answer(200, page, "POST", `${auth}/delete-user`, { json: { password } });
  });
} finally {
  await browser.close();
}
