/**
 * The analyses in a worker of Chromium: every checkpoint of the golden folder modadd, read, run and analysed in the browser, against the reference's
 * numbers and with the tolerances of the golden suite.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differences, type Json } from "../golden/modadd-differences.ts";
import { type Browser, startBrowser } from "./chromium.ts";
import "./tritlens-page.ts";

const folder = join(process.env.TRITLENS_ORACLES ?? join(import.meta.dirname, "../golden"), "modadd");
const ENDING = ".expected.json";
const cases = readdirSync(folder)
  .filter((file) => file.endsWith(ENDING))
  .map((file) => file.slice(0, -ENDING.length));

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

it("there are cases", () => expect(cases.length).toBeGreaterThan(0));

describe.each(cases)("%s", (name) => {
  it("has the reference's numbers", async () => {
    const { page, errors } = await browser.open("/tests/browser/pages/blank.html");
    const given = {
      weights: readFileSync(join(folder, `${name}.safetensors`)).toString("base64"),
      run: readFileSync(join(folder, `${name}.json`), "utf8"),
    };
    const found = await page.evaluate(async ({ weights, run }) => {
      const { openWorker, parseCheckpoint } = globalThis.tritlens;
      const bytes = Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0));
      const { config, params, trainIndices = [] } = await parseCheckpoint(bytes, { run: JSON.parse(run) });
      const worker = await openWorker({ config });
      await worker.load(new Map([...params].map(([key, { shape, data }]) => [key, { shape, data }])));
      const analysis = await worker.analyze({ trainIndices, ablations: false, circles: false });
      worker.close();
      return analysis;
    }, given);
    expect(errors).toEqual([]);
    expect(differences(JSON.parse(readFileSync(join(folder, `${name}${ENDING}`), "utf8")) as Json, found)).toEqual([]);
    await page.close();
  });
});
