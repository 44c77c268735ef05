// Renders a page and prints the version of the browser.
//
// usage: CHROMIUM=/usr/bin/chromium node renders.mjs

import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const browser = await launch();
try {
  const page = await browser.newPage();
  await page.setContent("<h1>Tasks</h1>");
  assert.equal(await page.locator("h1").innerText(), "Tasks");
  const { width } = await page.locator("h1").boundingBox();
  assert.ok(width > 0, "there are no fonts");
  console.log(browser.version());
} finally {
  await browser.close();
}
