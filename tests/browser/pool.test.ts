/**
 * Training on several threads of WebAssembly, with memory that is shared and without, in Node and in Chromium: the same weights bit for bit as on one thread.
 */
import { createHash } from "node:crypto";
import { loadCore, Model, modularAddition, type Parallel, train } from "tritlens";
import { liConfig } from "tritlens/models";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, startBrowser } from "./chromium.ts";
import "./tritlens-page.ts";

const P = 47;
const STEPS = 6;
const SEED = 3;
const MODES = ["fp32", "li_ternary"] as const;
type Mode = (typeof MODES)[number];

interface Found {
  weights: string;
  losses: number[];
  evaluations: number[];
  parallel: string;
  threads: number;
}

async function inNode(mode: Mode, parallel: Parallel, threads: number): Promise<Found> {
  const core = await loadCore({ backend: "wasm", parallel, threads });
  using model = Model.fromConfig(liConfig({ p: P, mode }), { core, seed: SEED });
  const found: Found = { weights: "", losses: [], evaluations: [], parallel: core.info().parallel, threads: 0 };
  for await (const event of train(model, modularAddition({ p: P }), { steps: STEPS, log: 1, evalEvery: 2 })) {
    found.losses.push(event.loss);
    if (event.evaluation) found.evaluations.push(...Object.values(event.evaluation));
  }
  const hash = createHash("sha256");
  for (const [name, { data }] of model.stateDict()) hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  found.weights = hash.digest("hex");
  // Fewer if a worker was lost.
  found.threads = core.info().threads;
  core.setThreads(1);
  return found;
}

let browser: Browser;
let isolated: Browser;
beforeAll(async () => {
  browser = await startBrowser();
  isolated = await startBrowser({ isolated: true });
});
afterAll(() => Promise.all([browser?.close(), isolated?.close()]));

async function inChromium(browser: Browser, mode: Mode, threads: number): Promise<Omit<Found, "evaluations">> {
  const { page, errors } = await browser.open("/tests/browser/pages/blank.html");
  const found = await page.evaluate(
    async ({ mode, p, steps, seed, threads }) => {
      const { liConfig, openWorker } = globalThis.tritlens;
      const worker = await openWorker({ config: liConfig({ p, mode }), seed, threads });
      const losses: number[] = [];
      for await (const { loss } of worker.train({ p }, { steps, log: 1, evalEvery: 2 })) losses.push(loss);
      const parts: BlobPart[] = [];
      for (const [name, { data }] of await worker.parameters()) parts.push(name, data as Float32Array<ArrayBuffer>);
      const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
      const weights = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const { parallel } = worker;
      const inForce = await worker.threads();
      worker.close();
      return { weights, losses, parallel, threads: inForce };
    },
    { mode, p: P, steps: STEPS, seed: SEED, threads },
  );
  expect(errors).toEqual([]);
  await page.close();
  return found;
}

describe.each(MODES)("%s", (mode) => {
  let alone: Found;
  beforeAll(async () => {
    alone = await inNode(mode, "none", 1);
  });

  it("trains", () => {
    expect(alone.losses).toHaveLength(STEPS + 1);
    expect(alone.losses.at(-1)).toBeLessThan(alone.losses[1] as number);
    expect(alone).toMatchObject({ parallel: "none", threads: 1 });
  });

  it.each([1, 2, 3, 4, 6])("has the same bits with %i workers of Node", async (threads) => {
    expect(await inNode(mode, "workers", threads)).toEqual({ ...alone, parallel: "workers", threads });
  });

  it.each([1, 2, 3, 6, 2])("has the same bits with %i threads of Node over shared memory", async (threads) => {
    expect(await inNode(mode, "threads", threads)).toEqual({ ...alone, parallel: "threads", threads });
  });

  it.each([1, 2, 4])("has the same bits with %i workers of Chromium", async (threads) => {
    const { evaluations: _, ...expected } = alone;
    expect(await inChromium(browser, mode, threads)).toEqual({ ...expected, parallel: "workers", threads });
  });

  it.each([2, 3, 4])("has the same bits with %i threads of Chromium over shared memory", async (threads) => {
    const { evaluations: _, ...expected } = alone;
    expect(await inChromium(isolated, mode, threads)).toEqual({ ...expected, parallel: "threads", threads });
  });
});
