/** Sides of bench/contest.mjs that are pages of Chromium. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FLAGS, needChromium } from "../../scripts/chromium.mjs";
import { cacheDir } from "../../scripts/lib/cache.mjs";
import { root } from "../../scripts/lib/run.mjs";
import { serveFolders } from "./files.mjs";

/**
 * Starts Chromium. `open(name, script)` opens a page whose module `script` (an address on the server) exports functions for every `ask`, and returns a side; models
 * are at `/models/FILE`, `folders` by their names.
 */
export async function startChromium(folders = {}) {
  const { chromium } = await import("playwright-core");
  const profile = mkdtempSync(join(tmpdir(), "tritlens-bench-"));
  const server = await serveFolders({ root, models: cacheDir("bench", "models"), ...folders });
  const context = await chromium.launchPersistentContext(profile, { executablePath: await needChromium(), args: FLAGS });
  const version = context.browser()?.version();

  async function open(name, script) {
    const page = await context.newPage();
    page.setDefaultTimeout(0);
    page.on("pageerror", (error) => console.error(`${name}: ${error}`));
    await page.goto(server.url);
    return {
      name,
      ask: ({ ask, ...request }) => page.evaluate(async ([from, what, given]) => (await import(from))[what](given), [script, ask, request]),
      end: () => page.close(),
    };
  }

  async function close() {
    await context.close();
    await server.close();
    rmSync(profile, { recursive: true, force: true });
  }
  return { open, close, version, url: server.url };
}
