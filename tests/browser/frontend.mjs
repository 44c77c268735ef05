// The application in examples/nextjs, in headless Chromium: what a person does there, and what goes wrong
// meanwhile.
//
// usage: CHROMIUM=/usr/bin/chromium node frontend.mjs APP_BASE API_BASE [FOLDER]
//
// With FOLDER, pictures of the application are written there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { launch } from "./browser.mjs";

const [app, api, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PASSWORD = "correct horse battery";
const browser = await launch();
let failed = 0;

async function test(name, run, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options });
  context.setDefaultTimeout(10_000);
  const errors = [];
  context.on("weberror", (error) => errors.push(error.error().message));
  try {
    await run(context);
    assert.deepEqual(errors, [], "errors of the page's scripts");
    console.log(`test browser::${name} ... ok`);
  } catch (error) {
    console.error(`test browser::${name} ... FAILED\n${error.stack}`);
    for (const page of context.pages()) {
      console.error(`${page.url()}\n${await page.locator("body").innerText().catch(() => "")}`);
    }
    failed++;
  } finally {
    await context.close();
  }
}

/** Signs up a new user through the forms. */
async function signUp(context, name = "Alice") {
  const page = await context.newPage();
  await page.goto(app);
  await page.waitForURL("**/sign-in");
  await page.getByRole("link", { name: "Sign up" }).click();
  const email = `${name}-${crypto.randomUUID()}@example.com`.toLowerCase();
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByText("Nothing to do").waitFor();
  return { page, email };
}

const item = (page, title) => page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: title, exact: true }) });
const titles = (page) => page.getByRole("listitem").getByRole("heading").allInnerTexts();

async function add(page, title, description) {
  await page.getByLabel("New task").fill(title);
  if (description) await page.getByLabel("Description").fill(description);
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByText(`Added “${title}”.`).waitFor();
}

/** Waits until the page shows these tasks in this order. */
async function shows(page, ...expected) {
  const deadline = Date.now() + 10_000;
  let shown;
  do {
    shown = await titles(page);
    if (JSON.stringify(shown) === JSON.stringify(expected)) return;
    await page.waitForTimeout(25);
  } while (Date.now() < deadline);
  assert.deepEqual(shown, expected);
}

/** The tasks that the database has, whatever a page shows. */
async function stored(page) {
  return page.evaluate(async (api) => {
    const { token } = await (await fetch("/api/auth/token")).json();
    const { sub } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    const answer = await fetch(`${api}/api/${encodeURIComponent(sub)}/tasks?sort=id`, { headers: { authorization: `Bearer ${token}` } });
    return answer.json();
  }, api);
}

/** A change by somebody else who has the same account: another device, another program. */
async function changeElsewhere(page, id, method, body) {
  const status = await page.evaluate(async ({ api, id, method, body }) => {
    const { token } = await (await fetch("/api/auth/token")).json();
    const { sub } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const url = `${api}/api/${encodeURIComponent(sub)}/tasks/${id}`;
    return (await fetch(url, { method, headers, body: body && JSON.stringify(body) })).status;
  }, { api, id, method, body });
  assert.equal(status, 200);
}

/** The first `times` answers to requests of a method are lost: the API has done what was asked, and the page gets a 503. */
async function loseAnswers(page, method, times) {
  let lost = 0;
  await page.route(`${api}/**`, async (route) => {
    if (route.request().method() !== method || lost === times) return route.fallback();
    lost++;
    const answer = await route.fetch();
    assert.ok(answer.ok(), `${answer.status()} ${await answer.text()}`);
    const headers = { ...answer.headers(), "retry-after": "0", "content-type": "application/json" };
    await route.fulfill({ status: 503, headers, body: '{"detail":"Service unavailable"}' });
  });
  return () => lost;
}

async function isAccessible(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const found = violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ html }) => html).join(" ")}`);
  assert.deepEqual(found, [], where);
}

async function picture(page, name) {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, animations: "disabled" });
}

try {
  await test("a_user_signs_up_and_works_on_tasks", async (context) => {
    const { page, email } = await signUp(context);
    await add(page, "Buy milk", "Two litres");
    await add(page, "Call the bank");
    await shows(page, "Call the bank", "Buy milk");

    await page.getByRole("checkbox", { name: "Buy milk" }).check();
    await page.getByRole("radio", { name: "Completed" }).check();
    await shows(page, "Buy milk");
    await page.getByRole("radio", { name: "Pending" }).check();
    await shows(page, "Call the bank");
    await page.goBack();
    await shows(page, "Buy milk");
    await page.getByRole("radio", { name: "All" }).check();
    await page.getByLabel("Order").selectOption("Title");
    await shows(page, "Buy milk", "Call the bank");
    await page.getByLabel("Search").fill("LITRES");
    await shows(page, "Buy milk");
    await page.reload();
    await shows(page, "Buy milk");
    assert.equal(await page.getByLabel("Search").inputValue(), "LITRES");

    await page.getByRole("button", { name: "Edit Buy milk" }).click();
    await page.getByLabel("Title", { exact: true }).fill("Buy oat milk");
    await page.getByRole("button", { name: "Save" }).click();
    await shows(page, "Buy oat milk");
    await page.getByLabel("Search").fill("");
    await page.getByRole("button", { name: "Delete Call the bank" }).click();
    await page.getByRole("button", { name: "Keep it" }).click();
    await shows(page, "Buy oat milk", "Call the bank");
    await page.getByRole("button", { name: "Delete Call the bank" }).click();
    // It is shown before it is done.
    const deleted = page.waitForResponse((answer) => answer.request().method() === "DELETE" && answer.ok());
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await shows(page, "Buy oat milk");
    await deleted;

    const [task, ...others] = await stored(page);
    assert.deepEqual(others, []);
    assert.deepEqual([task.title, task.description, task.completed], ["Buy oat milk", "Two litres", true]);

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
    await page.getByLabel("Email").fill(email);
    await page.getByLabel("Password").fill("a wrong password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "Invalid email or password" }).waitFor();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${app}/`);
    await shows(page, "Buy oat milk");
  });

  await test("pages_follow_each_other", async (context) => {
    const { page } = await signUp(context);
    const names = Array.from({ length: 12 }, (_, index) => `Task ${String(index + 1).padStart(2, "0")}`);
    for (const name of names) await add(page, name);
    const newest = names.toReversed();
    await shows(page, ...newest.slice(0, 10));
    assert.ok(await page.getByRole("button", { name: "Previous" }).isDisabled());
    await page.getByRole("button", { name: "Next" }).click();
    await shows(page, ...newest.slice(10));
    assert.ok(await page.getByRole("button", { name: "Next" }).isDisabled());
    await page.reload();
    await shows(page, ...newest.slice(10));
    await page.getByLabel("Order").selectOption("Oldest first");
    await shows(page, ...names.slice(0, 10));
  });

  await test("a_lost_answer_makes_no_second_task", async (context) => {
    const { page } = await signUp(context);
    const lost = await loseAnswers(page, "POST", 2);
    await add(page, "Once");
    await shows(page, "Once");
    assert.equal(lost(), 2);
    assert.deepEqual((await stored(page)).map(({ title }) => title), ["Once"]);
  });

  await test("a_lost_answer_to_a_change_is_no_conflict", async (context) => {
    const { page } = await signUp(context);
    await add(page, "Draft");
    const changes = await loseAnswers(page, "PUT", 1);
    await page.getByRole("button", { name: "Edit Draft" }).click();
    await page.getByLabel("Title", { exact: true }).fill("Final");
    // The second attempt is a 412, as the first one has changed the task, and the page finds its own change.
    const second = page.waitForResponse((answer) => answer.request().method() === "PUT" && answer.status() === 412);
    await page.getByRole("button", { name: "Save" }).click();
    const again = await second;
    assert.equal(changes(), 1);
    await again.finished();
    await page.getByRole("button", { name: "Edit Final" }).click();
    assert.equal(await page.getByLabel("Title", { exact: true }).inputValue(), "Final");
    assert.equal(await page.getByRole("alert").filter({ hasText: "changed somewhere else" }).count(), 0);
    await page.keyboard.press("Escape");

    const deletions = await loseAnswers(page, "DELETE", 1);
    await page.getByRole("button", { name: "Delete Final" }).click();
    const gone = page.waitForResponse((answer) => answer.request().method() === "DELETE" && answer.status() === 404);
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await gone;
    assert.equal(deletions(), 1);
    await page.getByText("Nothing to do").waitFor();
    assert.equal(await page.getByText("The task was not deleted").count(), 0);
  });

  await test("a_conflict_shows_both_versions", async (context) => {
    const { page } = await signUp(context);
    await add(page, "Shared");
    await page.getByRole("button", { name: "Edit Shared" }).click();
    await page.getByLabel("Title", { exact: true }).fill("Mine");
    const [{ id }] = await stored(page);
    await changeElsewhere(page, id, "PUT", { title: "Theirs" });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").filter({ hasText: "Theirs" }).waitFor();
    assert.equal(await page.getByLabel("Title", { exact: true }).inputValue(), "Mine");
    assert.equal((await stored(page))[0].title, "Theirs");
    await isAccessible(page, "a conflict");
    const saved = page.waitForResponse((answer) => answer.request().method() === "PUT" && answer.ok());
    await page.getByRole("button", { name: "Save mine" }).click();
    await shows(page, "Mine");
    await saved;
    assert.equal((await stored(page))[0].title, "Mine");
  });

  await test("what_fails_is_undone_and_said", async (context) => {
    const { page } = await signUp(context);
    await add(page, "Stays");
    // Reading fails as well: nothing but the page itself puts right what it shows.
    await page.route(`${api}/**`, (route) =>
      route.request().method() === "OPTIONS"
        ? route.fallback()
        : route.fulfill({ status: 500, headers: { "access-control-allow-origin": app }, json: { detail: "Server error" } }),
    );
    await page.getByRole("checkbox", { name: "Stays" }).click();
    await page.getByText("“Stays” was not changed. Server error").waitFor();
    await page.getByRole("checkbox", { name: "Stays", checked: false }).waitFor();
    await page.getByRole("button", { name: "Delete Stays" }).click();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByText("“Stays” was not deleted. Server error").waitFor();
    await shows(page, "Stays");
    await page.getByLabel("New task").fill("Not yet");
    await page.keyboard.press("Enter");
    await page.getByText("“Not yet” was not added. Server error").waitFor();
    await shows(page, "Stays");
    await page.waitForFunction(() => document.querySelector("form.new input").value === "Not yet");
  });

  await test("one_failure_leaves_the_other_changes", async (context) => {
    const { page } = await signUp(context);
    await add(page, "First");
    await add(page, "Second");
    let fail;
    const failing = new Promise((resolve) => (fail = resolve));
    await page.route(`${api}/**`, async (route) => {
      const { method } = { method: route.request().method() };
      if (method === "DELETE") {
        await failing;
        return route.fulfill({ status: 500, headers: { "access-control-allow-origin": app }, json: { detail: "Server error" } });
      }
      // The list is not read again, as it would put everything right.
      if (method === "GET") return route.abort();
      return route.fallback();
    });
    await page.getByRole("button", { name: "Delete First" }).click();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await shows(page, "Second");
    await add(page, "Third");
    fail();
    await page.getByText("“First” was not deleted. Server error").waitFor();
    await shows(page, "Third", "Second", "First");
  });

  await test("adding_again_after_lost_answers_makes_no_second_task", async (context) => {
    const { page } = await signUp(context);
    // All five attempts reach the API, and the page hears of none.
    const lost = await loseAnswers(page, "POST", 5);
    await page.getByLabel("New task").fill("Once");
    await page.keyboard.press("Enter");
    await page.getByText("“Once” was not added.").waitFor();
    assert.equal(lost(), 5);
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByText("Added “Once”.").waitFor();
    assert.deepEqual((await stored(page)).map(({ title }) => title), ["Once"]);
  });

  await test("a_form_survives_its_row", async (context) => {
    const { page } = await signUp(context);
    await add(page, "Open");
    await page.getByRole("radio", { name: "Pending" }).check();
    await page.getByRole("button", { name: "Edit Open" }).click();
    await page.getByLabel("Title", { exact: true }).fill("Typed");
    const [{ id }] = await stored(page);
    // It is completed elsewhere, which takes it off this list; and then it is deleted.
    await changeElsewhere(page, id, "PUT", { completed: true });
    const other = await context.newPage();
    await other.goto(app);
    await other.getByRole("checkbox", { name: "Open", checked: true }).waitFor();
    await add(other, "Another");
    await page.getByRole("heading", { name: "Another" }).waitFor();
    assert.equal(await page.getByLabel("Title", { exact: true }).inputValue(), "Typed");
    await changeElsewhere(page, id, "DELETE");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").filter({ hasText: "was deleted somewhere else" }).waitFor();
    assert.equal(await page.getByLabel("Title", { exact: true }).inputValue(), "Typed");
    await page.getByRole("button", { name: "Add it again" }).click();
    await page.getByRole("heading", { name: "Typed" }).waitFor();
  });

  await test("a_session_that_cannot_be_read_is_not_over", async (context) => {
    const { page } = await signUp(context);
    await add(page, "Before");
    // What Better Auth answers while its database is away.
    let answers = 0;
    const away = (status, body) => (route) => (answers++, route.fulfill({ status, json: body }));
    await page.route("**/api/auth/token", away(401, { code: "UNAUTHORIZED" }));
    await page.route("**/api/auth/get-session", away(500, {}));
    await page.route(`${api}/**`, (route) => {
      if (route.request().method() === "OPTIONS") return route.fallback();
      return route.continue({ headers: { ...route.request().headers(), authorization: "Bearer expired" } });
    });
    await page.getByRole("checkbox", { name: "Before" }).click();
    await page.waitForFunction(() => document.querySelector("input[type=checkbox]").checked);
    while (answers < 2) await page.waitForTimeout(25);
    await page.unrouteAll({ behavior: "ignoreErrors" });
    // Its retries go on where it is back.
    for (let tries = 0; !(await stored(page))[0].completed && tries < 200; tries++) await page.waitForTimeout(50);
    assert.equal((await stored(page))[0].completed, true);
    assert.equal(page.url().startsWith(`${app}/sign-in`), false);
  });

  await test("a_list_read_during_a_change_shows_the_change", async (context) => {
    const { page } = await signUp(context);
    await add(page, "Before");
    let [read, changed] = [];
    const isRead = new Promise((resolve) => (read = resolve));
    const isChanged = new Promise((resolve) => (changed = resolve));
    await page.route(`${api}/**`, async (route) => {
      const [method, url] = [route.request().method(), route.request().url()];
      if (method === "PUT") {
        await isRead;
        const answer = await route.fetch();
        await route.fulfill({ response: answer });
        changed();
      } else if (method === "GET" && url.includes("status=pending")) {
        // The first answer is of before the change, and comes after it.
        const answer = await route.fetch();
        read();
        await isChanged;
        await page.waitForTimeout(100);
        await route.fulfill({ response: answer }).catch(() => {});
      } else await route.fallback();
    });
    await page.getByRole("button", { name: "Edit Before" }).click();
    await page.getByLabel("Title", { exact: true }).fill("After");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("radio", { name: "Pending" }).check();
    await shows(page, "After");
    await page.waitForTimeout(500);
    await shows(page, "After");
  });

  await test("another_tab_follows", async (context) => {
    const { page } = await signUp(context);
    const other = await context.newPage();
    await other.goto(app);
    await other.getByText("Nothing to do").waitFor();
    await add(page, "From the first tab");
    await shows(other, "From the first tab");
    await other.getByRole("checkbox", { name: "From the first tab" }).check();
    await page.getByRole("checkbox", { name: "From the first tab", checked: true }).waitFor();
    await other.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
  });

  await test("a_session_that_ends_leads_to_the_sign_in", async (context) => {
    const { page } = await signUp(context);
    await add(page, "Before");
    // The session ends at the server; the page still has an access token, which the API then refuses.
    await context.clearCookies();
    await page.route(`${api}/**`, (route) => {
      if (route.request().method() === "OPTIONS") return route.fallback();
      return route.continue({ headers: { ...route.request().headers(), authorization: "Bearer expired" } });
    });
    await page.getByRole("checkbox", { name: "Before" }).click();
    await page.waitForURL("**/sign-in?ended");
    await page.getByText("You were signed out").waitFor();
  });

  await test("two_users_see_their_own_tasks", async (context) => {
    const { page } = await signUp(context);
    await add(page, "A secret");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
    const { page: bobs } = await signUp(context, "Bob");
    await add(bobs, "Bob's");
    await shows(bobs, "Bob's");
  });

  await test("it_works_with_a_keyboard_alone", async (context) => {
    const { page } = await signUp(context);
    await page.getByLabel("New task").focus();
    await page.keyboard.type("By hand");
    await page.keyboard.press("Enter");
    await page.getByText("Added “By hand”.").waitFor();
    await page.getByRole("checkbox", { name: "By hand" }).focus();
    await page.keyboard.press("Space");
    await page.getByRole("checkbox", { name: "By hand", checked: true }).waitFor();
    await page.keyboard.press("Tab");
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    assert.equal(await focused(), "Edit By hand");
    await page.keyboard.press("Enter");
    await page.getByLabel("Title", { exact: true }).waitFor();
    await page.keyboard.type(" and foot");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "By hand and foot" }).waitFor();
    await page.waitForFunction(() => document.activeElement?.textContent === "Edit By hand and foot");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("Nothing to do").waitFor();
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  });

  for (const [look, options] of Object.entries({
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    narrow: { colorScheme: "light", viewport: { width: 360, height: 740 } },
  })) {
    await test(`it_is_accessible_${look}`, async (context) => {
      const page = await context.newPage();
      await page.goto(`${app}/sign-in`);
      await page.getByRole("button", { name: "Sign in", disabled: false }).waitFor();
      await isAccessible(page, "signing in");
      await picture(page, `sign-in-${look}`);
      await page.close();

      const { page: tasks } = await signUp(context);
      await add(tasks, "Read the README", "It is short.");
      await add(tasks, "Book the train to Lisbon", "Window seat, before the end of the week.");
      await add(tasks, "Water the plants");
      await add(tasks, "Send the invoice", "Number 2026-117, with the hours of October.");
      await tasks.getByRole("checkbox", { name: "Read the README" }).check();
      await tasks.getByRole("checkbox", { name: "Water the plants" }).check();
      await tasks.evaluate(() => document.querySelectorAll(".notice button").forEach((button) => button.click()));
      await tasks.getByRole("heading", { name: "Tasks", exact: true }).focus();
      await isAccessible(tasks, "the list");
      await picture(tasks, `tasks-${look}`);
      const { scrolls } = await tasks.evaluate(() => ({ scrolls: document.documentElement.scrollWidth > innerWidth }));
      assert.ok(!scrolls, "the page is wider than the window");
      await tasks.getByRole("button", { name: "Edit Send the invoice" }).click();
      await tasks.getByLabel("Title", { exact: true }).waitFor();
      await isAccessible(tasks, "editing");
      await picture(tasks, `edit-${look}`);
      await tasks.keyboard.press("Escape");
      await tasks.getByRole("button", { name: "Delete Send the invoice" }).click();
      await isAccessible(tasks, "deleting");
      await picture(tasks, `delete-${look}`);
    }, options);
  }
} finally {
  await browser.close();
}
process.exitCode = failed > 0 ? 1 : 0;
