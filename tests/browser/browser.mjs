// The headless browser of the tests: the program that the variable CHROMIUM names.

import { chromium } from "playwright-core";

/** Starts it. It asks nobody on the web for anything. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}
