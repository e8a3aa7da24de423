/** The induction study over seeds: what heads look at, what their ablation costs and what attribution patching says must name the same heads. */
import type { Model } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { headsOf, inductionData, inductionPrompts, leftWithout, trainInduction } from "../../examples/lib/induction.mjs";

const SEEDS = [0, 1, 2, 3, 4];
const MODES = ["fp32", "ternary"] as const;
const data = inductionData();
const prompts = inductionPrompts();

describe.each(SEEDS)("induction heads, seed %i", (seed) => {
  let models: Model[];
  beforeAll(async () => {
    // Native training leaves the JavaScript thread: both at once.
    models = await Promise.all(MODES.map((mode) => trainInduction(mode, seed, data)));
  });
  afterAll(() => {
    for (const model of models) model.dispose();
  });

  it.each(MODES.map((mode, i) => [mode, i] as const))("the detector, ablation, patching and attribution patching agree (%s)", async (_, i) => {
    const model = models[i] as Model;
    const { names } = await headsOf(model, prompts, "induction");
    expect(names.detector.length).toBeGreaterThan(0);
    expect(names.detector.every((name) => name.startsWith("L1"))).toBe(true);
    expect(names.ablation).toEqual(names.detector);
    expect(names.patching).toEqual(names.detector);
    expect(names.attribution).toEqual(names.detector);
  });

  it.each(MODES.map((mode, i) => [mode, i] as const))("so they do on the previous-token heads that induction stands on (%s)", async (_, i) => {
    const model = models[i] as Model;
    const { names } = await headsOf(model, prompts, "previous");
    expect(names.detector.length).toBeGreaterThan(0);
    expect(names.detector.every((name) => name.startsWith("L0"))).toBe(true);
    // Not single ablations: where there are several, each stands in for the others.
    expect(names.patching).toEqual(names.detector);
    expect(names.attribution).toEqual(names.detector);
    expect(await leftWithout(model, prompts, names.detector)).toBeLessThan(0.2);
  });
});
