/**
 * The same training in a Web Worker in Chromium (WebAssembly) as natively in Node: same splits, same initial weights bit for bit, equal integer codes,
 * and a loss curve within stated tolerances.
 */
import { createHash } from "node:crypto";
import { loadCore, Model, modularAddition, train } from "tritlens";
import { liConfig } from "tritlens/models";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, startBrowser } from "./chromium.ts";
import "./tritlens-page.ts";

/**
 * Largest difference of a loss, relative to the largest loss of the curve, while the same codes flipped on both sides: the two add the same products in
 * different orders, so that sums differ in their last bits and training slowly amplifies that.
 */
const LOSS_TOLERANCE = 1e-4;
/**
 * The same over the first steps in full precision, before the amplification: from about step 30 on the difference doubles every three steps (4e-8 of the largest loss at step
 * 20, 4e-5 at step 50), as it does between any two orders of summation, which is why no mode is compared for longer.
 */
const LOSS_TOLERANCE_AT_FIRST = 1e-6;
const FIRST_STEPS = 20;
/**
 * And after a code, within rounding of its threshold, flipped one step earlier on one side: a flip changes a weight from one integer to another, and from
 * then on two runs drift apart as two runs with other seeds would, only later. Without a scale (li_binary) a flip weighs most, hence fewer steps there.
 */
const LOSS_TOLERANCE_AFTER_A_FLIP = 1e-2;
const SEED = 11;
const QUANTISED = ["attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O", "mlp.W_in", "mlp.W_out"].map((name) => `blocks.0.${name}`);

const CASES = [
  { mode: "fp32", p: 31, steps: 50 },
  { mode: "binary", p: 31, steps: 60 },
  { mode: "ternary", p: 31, steps: 60 },
  { mode: "li_binary", p: 31, steps: 30 },
  { mode: "li_ternary", p: 113, steps: 8 },
] as const;
type Case = (typeof CASES)[number];

/** What one backend found. Big arrays are told by their SHA-256. */
interface Findings {
  isa: string;
  split: number[];
  /** Initial weights by name. */
  initial: [name: string, hash: string][];
  /** Codes and scale of the initial weights. */
  codes: [name: string, hash: string, scale: number][];
  losses: number[];
  /** Codes that flipped, by step: the numbers of all matrices. */
  flips: number[][];
}

const sha256 = (data: ArrayBufferView): string =>
  createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");

let browser: Browser;
beforeAll(async () => {
  await loadCore({ backend: "native" });
  browser = await startBrowser();
});
afterAll(() => browser?.close());

/** Natively in Node. */
async function natively({ mode, p, steps }: Case): Promise<Findings> {
  const data = modularAddition({ p });
  using model = Model.fromConfig(liConfig({ p, mode }), { seed: SEED });
  const names = mode === "fp32" ? [] : QUANTISED;
  const found: Findings = {
    isa: model.core.info().isa,
    split: [...data.trainIndices],
    initial: [...model.stateDict()].map(([name, tensor]) => [name, sha256(tensor.data)]),
    codes: names.map((name) => [name, sha256(model.paramCodes(name).codes), model.paramCodes(name).scale]),
    losses: [],
    flips: [],
  };
  for await (const event of train(model, data, { steps, log: 1, evalEvery: 0 })) {
    found.losses.push(event.loss);
    found.flips.push(Object.values(event.flips));
  }
  return found;
}

/** In a worker of a page. */
async function inBrowser(given: Case): Promise<Findings> {
  const { page, errors } = await browser.open("/tests/browser/pages/blank.html");
  const found = await page.evaluate(
    async ({ mode, p, steps, seed, names }) => {
      const { liConfig, modularAddition, openWorker } = globalThis.tritlens;
      const sha256 = async (data: ArrayBufferView<ArrayBuffer>): Promise<string> => {
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
        return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      };
      const worker = await openWorker({ config: liConfig({ p, mode }), seed });
      const initial: [string, string][] = [];
      for (const [name, { data }] of await worker.parameters()) initial.push([name, await sha256(data as Float32Array<ArrayBuffer>)]);
      const codes: [string, string, number][] = [];
      for (const name of names) {
        const { codes: integers, scale } = await worker.codes(name);
        codes.push([name, await sha256(integers as Int8Array<ArrayBuffer>), scale]);
      }
      const losses: number[] = [];
      const flips: number[][] = [];
      for await (const event of worker.train({ p }, { steps, log: 1, evalEvery: 0 })) {
        losses.push(event.loss);
        flips.push(Object.values(event.flips));
      }
      worker.close();
      return { isa: worker.isa, split: [...modularAddition({ p }).trainIndices], initial, codes, losses, flips };
    },
    { ...given, seed: SEED, names: given.mode === "fp32" ? [] : QUANTISED },
  );
  expect(errors).toEqual([]);
  await page.close();
  return found;
}

describe.each(CASES)("$mode, p = $p, in a worker and natively", (given) => {
  let native: Findings;
  let web: Findings;
  beforeAll(async () => {
    native = await natively(given);
    web = await inBrowser(given);
  });

  it("runs other kernels than native", () => expect([web.isa, native.isa === "simd128"]).toEqual(["simd128", false]));

  it("has the same split", () => expect(web.split).toEqual(native.split));

  it("has the same initial weights, bit for bit", () => {
    expect(native.initial.length).toBeGreaterThan(8);
    expect(web.initial).toEqual(native.initial);
  });

  it("has the same integer codes and scales", () => {
    expect(native.codes).toHaveLength(given.mode === "fp32" ? 0 : QUANTISED.length);
    expect(web.codes).toEqual(native.codes);
  });

  it("has the same loss curve", () => {
    expect([web.losses.length, native.losses.length]).toEqual([given.steps, given.steps]);
    const split = native.flips.findIndex((counts, step) => counts.some((count, i) => count !== web.flips[step]?.[i]));
    const same = split === -1 ? given.steps : split;
    const apart = native.losses.map((loss, step) => Math.abs((web.losses[step] ?? Number.NaN) - loss) / Math.max(...native.losses));
    // The first steps agree always; without them the looser bound would be all there is.
    expect(same).toBeGreaterThan(2);
    expect(Math.max(...apart.slice(0, same))).toBeLessThan(LOSS_TOLERANCE);
    if (given.mode === "fp32") expect(Math.max(...apart.slice(0, FIRST_STEPS))).toBeLessThan(LOSS_TOLERANCE_AT_FIRST);
    expect(Math.max(0, ...apart.slice(same))).toBeLessThan(LOSS_TOLERANCE_AFTER_A_FLIP);
    expect(native.losses.at(-1)).not.toBe(native.losses[0]);
  });
});
