/** The report page, opened from disk as a reader opens it: draws everything, fetches nothing, and treats every name and message as text. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleReport } from "../../packages/sdk/scripts/bundle-assets.mjs";
import type { ReportModel } from "../../packages/sdk/src/lab/report/model.ts";
import { pageHtml } from "../../packages/sdk/src/lab/report/page.ts";
import { syntheticModel } from "../../packages/sdk/src/lab/report/synthetic.ts";
import { needChromium } from "../../scripts/chromium.mjs";

let folder: string;
let context: BrowserContext;
let assets: { script: string; style: string };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tritlens-report-"));
  await bundleReport(folder);
  assets = { script: readFileSync(join(folder, "report.js"), "utf8"), style: readFileSync(join(folder, "report.css"), "utf8") };
  const args = ["--headless", "--no-sandbox", "--disable-gpu"];
  context = await chromium.launchPersistentContext(join(folder, "profile"), { executablePath: await needChromium(), args });
});
afterAll(async () => {
  await context?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the page of a model; what goes wrong, and what is fetched, is collected. */
async function open(model: ReportModel, colorScheme: "light" | "dark" = "light"): Promise<{ page: Page; trouble: string[] }> {
  const path = join(folder, "report.html");
  writeFileSync(path, pageHtml(model, assets));
  const page = await context.newPage();
  await page.emulateMedia({ colorScheme });
  const trouble: string[] = [];
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  page.on("dialog", (dialog) => trouble.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => !/^(data:|file:.*report\.html$)/.test(request.url()) && trouble.push(`fetched ${request.url()}`));
  await page.goto(pathToFileURL(path).href);
  return { page, trouble };
}

describe("the report page", () => {
  it("draws every figure, each named, captioned and with a picture", async () => {
    const { page, trouble } = await open(syntheticModel(6, 3));
    expect(trouble).toEqual([]);
    const figures = await page.locator("figure").evaluateAll((all) =>
      all.map((f) => ({
        id: f.id,
        caption: f.querySelector("figcaption")?.textContent?.length ?? 0,
        pictures: f.querySelectorAll("svg[role=img], img[alt]").length,
        unnamed: f.querySelectorAll("svg[role=img]:not([aria-label]), img:not([alt])").length,
      })),
    );
    expect(figures.map((f) => f.id)).toEqual(
      expect.arrayContaining([
        "glance",
        "loss",
        "accuracy",
        "progress",
        "sparsity",
        "spectra",
        "circles",
        "attention",
        "neurons",
        "clusters",
        "logit-fit",
        "codes",
        "flips",
        "ablations",
        "plane",
        "seeds",
      ]),
    );
    for (const f of figures)
      expect(f, f.id).toMatchObject({
        unnamed: 0,
        caption: expect.toSatisfy((n: number) => n > 40),
        pictures: expect.toSatisfy((n: number) => n > 0),
      });
    await page.close();
  });

  it("fits a telephone and follows the dark setting", async () => {
    const { page, trouble } = await open(syntheticModel(3, 1), "dark");
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(20, 22, 26)");
    expect(trouble).toEqual([]);
    await page.close();
  });

  it("shows markup in names and messages as text", async () => {
    const evil = `</script><img src=x onerror="alert(1)"><svg onload=alert(2)>\u2028`;
    const model = syntheticModel(2, 2);
    const [first] = model.modes;
    if (first) Object.assign(first, { title: evil, short: evil, detail: evil });
    Object.assign(model, { title: evil, lede: evil, facts: [[evil, evil]] });
    model.answer = { headline: evil, paragraphs: [evil], findings: [{ tone: "bad", text: evil }] };
    const cells = model.table.rows[0]?.cells ?? [];
    cells[0] = { text: evil, note: evil, chips: [evil] };
    model.methods = [{ title: evil, paragraphs: [evil], rows: [[evil, evil]] }];
    const { page, trouble } = await open(model);
    await page.waitForTimeout(200);
    expect(trouble).toEqual([]);
    expect(await page.locator(".headline").textContent()).toBe(evil);
    expect(await page.locator(".note").first().textContent()).toBe(evil);
    expect(await page.locator("img:not([src^='data:'])").count()).toBe(0);
    await page.close();
  });

  it("opens the numbers behind a figure from the keyboard", async () => {
    const { page } = await open(syntheticModel(2, 1));
    const summary = page.locator("#loss summary");
    await summary.focus();
    await page.keyboard.press("Enter");
    expect(await page.locator("#loss details table tbody tr").count()).toBeGreaterThan(20);
    await page.close();
  });

  it("stands with nothing trained yet", async () => {
    const model = syntheticModel(3, 1);
    for (const run of model.runs)
      Object.assign(run, {
        status: "waiting",
        curves: { epoch: [], columns: {} },
        progress: null,
        flips: null,
        final: null,
        plane: null,
        grokEpoch: null,
      });
    const { page, trouble } = await open({ ...model, state: "live", seedNumbers: [] });
    expect(trouble).toEqual([]);
    expect(await page.locator(".state").textContent()).toContain("Still training");
    await page.close();
  });
});
