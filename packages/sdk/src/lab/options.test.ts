import { describe, expect, it } from "vitest";
import { planOf } from "./options.ts";

describe("the plan", () => {
  it("is the paper's by default", () => {
    const plan = planOf({});
    expect(plan.task).toEqual({ p: 113, fraction: 0.3, data_seed: 598 });
    expect(plan.runs.map((r) => `${r.mode.id}/${r.seed}/${r.maxEpochs}`)).toEqual(["fp32/0/10000", "li_binary/0/10000", "li_ternary/0/10000"]);
    expect(plan.training).toMatchObject({ lr: 1e-3, weight_decay: 1, beta2: 0.98, hold_accuracy: 0.999, hold_epochs: 500 });
  });

  it("takes all modes with full, seed by seed, and each mode's own length", () => {
    const plan = planOf({ full: true, seeds: 2 });
    expect(plan.runs).toHaveLength(12);
    expect(plan.runs.slice(0, 6).every((r) => r.seed === 0)).toBe(true);
    expect(plan.runs.find((r) => r.mode.id === "nanda_fp32")?.maxEpochs).toBe(25_000);
    expect(planOf({ full: true, epochs: 7 }).runs.every((r) => r.maxEpochs === 7)).toBe(true);
  });

  it("orders modes and trains each once", () => {
    expect(planOf({ modes: ["ternary", "fp32", "ternary"] }).runs.map((r) => r.mode.id)).toEqual(["fp32", "ternary"]);
  });

  it.each<[string, object, string]>([
    ["p below 3", { p: 2 }, "E_RANGE: wrong value of p; expected an integer in [3, 1000]; found 2"],
    ["a fraction of 1", { fraction: 1 }, "E_RANGE: wrong value of fraction; expected a number in (0, 1); found 1"],
    ["a fraction of 0", { fraction: 0 }, "found 0"],
    ["NaN", { fraction: Number.NaN }, "found NaN"],
    ["no seeds", { seeds: 0 }, "wrong value of seeds"],
    ["half an epoch", { epochs: 0.5 }, "wrong value of epochs"],
    ["no threads", { threads: 0 }, "wrong value of threads"],
    ["an unknown mode", { modes: ["li_tenrary"] }, 'E_MODE: unknown mode "li_tenrary"'],
    ["no mode", { modes: [] }, "E_MODE: no mode to train"],
  ])("refuses %s", (_, options, message) => {
    expect(() => planOf(options)).toThrow(message);
  });
});
