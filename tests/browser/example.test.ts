/** examples/browser.html: the page that loads the package's files without a bundler. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, startBrowser } from "./chromium.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

describe("examples/browser.html", () => {
  it("has at most 80 lines", () => {
    const text = readFileSync(join(import.meta.dirname, "../../examples/browser.html"), "utf8");
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(80);
  });

  it("trains, draws and analyses", async () => {
    const { page, errors } = await browser.open("/examples/browser.html?steps=60", /browser/);
    const blank = await page.locator("#curve").screenshot();
    await page.click("#start");
    await page.waitForFunction(() => document.getElementById("found")?.textContent?.includes("key frequencies"));
    expect(errors).toEqual([]);
    expect(await page.locator("#status").textContent()).toMatch(/^step 60: loss \d\.\d+, test accuracy \d+\.\d %$/);
    expect(await page.locator("#found").textContent()).toMatch(/W_in is \[512,128\], [1-9]\d?\.\d % of its codes are zero/);
    expect(blank.equals(await page.locator("#curve").screenshot())).toBe(false);
    await page.close();
  });

  it("stops when asked, with the reason on the page", async () => {
    const { page, errors } = await browser.open("/examples/browser.html?steps=1000000", /browser/);
    await page.click("#start");
    await page.waitForFunction(() => document.getElementById("status")?.textContent?.startsWith("step"));
    await page.click("#stop");
    await page.waitForFunction(() => document.getElementById("status")?.textContent?.startsWith("E_ABORTED"));
    expect(await page.locator("#start").isEnabled()).toBe(true);
    expect(errors).toEqual([]);
    await page.close();
  });
});
