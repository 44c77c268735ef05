// The documentation page in headless Chromium: it loads without an error and without another host,
// and a task can be created through it.
//
// usage: CHROMIUM=/usr/bin/chromium node docs.mjs http://127.0.0.1:9000 USER_ID TOKEN ROUTES

import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const [base, user, token, routes] = process.argv.slice(2);
const browser = await launch();
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  const problems = [];
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && problems.push(`console: ${message.text()}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== base) problems.push(`another host: ${url}`);
  });

  await page.goto(`${base}/docs`);
  await page.locator(".opblock").first().waitFor();
  assert.equal(await page.locator(".opblock").count(), Number(routes));

  await page.locator("button.authorize").first().click();
  await page.locator(".auth-container input").fill(token);
  await page.locator(".auth-btn-wrapper button.authorize").click();
  await page.locator(".btn-done").click();

  const title = `From the browser ${Date.now()}`;
  const operation = page.locator("#operations-tasks-createTask");
  await operation.locator(".opblock-summary-control").click();
  await operation.locator(".try-out__btn").click();
  await operation.locator("tr[data-param-name=user_id] input").fill(user);
  await operation.locator("textarea.body-param__text").fill(JSON.stringify({ title }));
  await operation.locator("button.execute").click();
  const status = operation.locator(".live-responses-table tbody .response-col_status").first();
  await status.waitFor();
  assert.match(await status.innerText(), /^201/);

  const answer = await fetch(`${base}/api/${user}/tasks`, { headers: { authorization: `Bearer ${token}` } });
  const tasks = await answer.json();
  assert.ok(tasks.some((task) => task.title === title), `${title} is not among ${JSON.stringify(tasks)}`);
  assert.deepEqual(problems, []);
} finally {
  await browser.close();
}
console.log("test browser::a_task_is_created_through_the_documentation ... ok");
