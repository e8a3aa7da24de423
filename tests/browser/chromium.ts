/** Chromium of the system with a profile of its own, and a page on the repository's static server. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { FLAGS, needChromium } from "../../scripts/chromium.mjs";
import { type Served, serve } from "../../scripts/serve.mjs";

export interface Browser {
  readonly server: Served;
  /** A page at `path`, once its title fits; what it logs as an error, or throws without catching, is collected. */
  open(path: string, title?: RegExp): Promise<{ page: Page; errors: string[] }>;
  close(): Promise<void>;
}

/** Starts both; with `isolated`, pages may share memory with their workers. */
export async function startBrowser({ isolated = false } = {}): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "tritlens-chromium-"));
  const server = await serve(undefined, 0, isolated);
  const context: BrowserContext = await chromium.launchPersistentContext(profile, { executablePath: await needChromium(), args: FLAGS });
  return {
    server,
    async open(path, title = /^(ready|failed)$/) {
      const page = await context.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      await page.goto(server.url + path);
      await page.waitForFunction((pattern) => new RegExp(pattern).test(document.title), title.source);
      return { page, errors };
    },
    async close() {
      await context.close();
      await server.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
