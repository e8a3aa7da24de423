import { describe, expect, it } from "vitest";
import { checkCircuit, judgeCircuit, judgeClock, type RunNumbers, uniformAttention } from "./rules.ts";
import { type JudgedRun, majority, spread } from "./verdict.ts";
import { verdictOf } from "./words.ts";

/** A run that passes every check; tests change one number at a time. */
const clean: RunNumbers = {
  status: "done",
  p: 113,
  grokEpoch: 4000,
  historyKnown: true,
  testAccuracy: 1,
  trainLoss: 0.01,
  keyFrequencies: [1, 17, 28],
  logitFve: 0.9,
  restrictedLoss: 0.06,
  excludedLoss: 3.2,
  liveNeurons: 468,
  clusteredNeurons: 382,
  symmetricity: 0.99,
  irrelevance: 0.2,
  attentionStd: 0.1,
};
const run = (mode: string, change: Partial<RunNumbers> = {}, seed = 0): JudgedRun => ({ mode, seed, numbers: { ...clean, ...change } });
const ungrokked: Partial<RunNumbers> = { grokEpoch: null, testAccuracy: 0.3 };

describe("the circuit of one run", () => {
  it.each<[string, Partial<RunNumbers>, string]>([
    ["passes every check", {}, "fourier"],
    [
      "sits exactly on every threshold",
      { testAccuracy: 0.99, logitFve: 0.7, restrictedLoss: 0.1 * Math.log(113), excludedLoss: 0.5 * Math.log(113) },
      "fourier",
    ],
    ["explains just too little", { logitFve: 0.6999 }, "noisy fourier"],
    ["has key directions that do not suffice", { restrictedLoss: 0.5 }, "noisy fourier"],
    ["does without the key directions", { excludedLoss: 2.3 }, "other"],
    ["has an excluded loss that is high only beside chance", { trainLoss: 0.5, excludedLoss: 4.9 }, "other"],
    ["explains little", { logitFve: 0.39 }, "other"],
    ["never grokked", ungrokked, "not grokked"],
    ["grokked and fell back", { testAccuracy: 0.98 }, "not grokked"],
    ["diverged", { status: "diverged" }, "no result"],
    ["has no analysis yet", { testAccuracy: null, logitFve: null }, "no result"],
    ["has no logit share", { logitFve: null }, "other"],
    ["is known by its end alone", { grokEpoch: null, historyKnown: false }, "fourier"],
    ["was stopped by hand after grokking", { status: "stopped" }, "fourier"],
  ])("that %s", (_, change, expected) => {
    expect(judgeCircuit({ ...clean, ...change })).toBe(expected);
  });

  it("fails the check of a missing number, and clusters of no live neuron", () => {
    const checks = checkCircuit({ ...clean, excludedLoss: null, restrictedLoss: null, liveNeurons: 0, clusteredNeurons: 0 });
    expect(checks).toMatchObject({ needed: false, sufficient: false, clustered: false });
  });
});

describe("clock or pizza", () => {
  it.each<[number, number, string]>([
    [0.9937, 0.1717, "pizza"],
    [0.3336, 0.8483, "clock"],
    [1, 0.9, "neither"],
    [0.92, 0.5, "neither"],
    [0.95, 0.4, "pizza"],
    [0.9, 0.6, "clock"],
  ])("symmetricity %d, irrelevance %d: %s", (symmetricity, irrelevance, expected) => {
    expect(judgeClock({ ...clean, symmetricity, irrelevance })).toBe(expected);
  });

  it("says nothing of a run that did not grok or was not probed", () => {
    expect(judgeClock({ ...clean, ...ungrokked })).toBe("unknown");
    expect(judgeClock({ ...clean, symmetricity: null })).toBe("unknown");
  });

  it("knows uniform attention", () => {
    expect(uniformAttention({ ...clean, attentionStd: 1e-6 })).toBe(true);
    expect(uniformAttention(clean)).toBe(false);
    expect(uniformAttention({ ...clean, attentionStd: null })).toBe(false);
  });
});

describe("seeds", () => {
  it("takes mean and sample deviation of what there is", () => {
    expect(spread([1, 3, null, Number.NaN])).toEqual({ mean: 2, sd: Math.SQRT2, min: 1, max: 3, n: 2 });
    expect(spread([5])).toMatchObject({ mean: 5, sd: null });
    expect(spread([null])).toBeNull();
  });

  it("settles a tie towards the weaker claim", () => {
    expect(majority(["b", "a"], ["a", "b"])).toBe("a");
    const verdict = verdictOf([run("fp32"), run("fp32", ungrokked, 1)]);
    expect(verdict.modes[0]).toMatchObject({ circuit: "not grokked", agreeing: 1, seeds: 2 });
  });
});

describe("seeds without a result", () => {
  it("have no vote beside one that has", () => {
    const waiting: Partial<RunNumbers> = { status: "waiting", testAccuracy: null, logitFve: null };
    const { modes } = verdictOf([run("fp32"), run("fp32", waiting, 1), run("fp32", waiting, 2)]);
    expect(modes[0]).toMatchObject({ circuit: "fourier", agreeing: 1, seeds: 1 });
    expect(verdictOf([run("fp32", waiting), run("fp32", waiting, 1)]).modes[0]?.circuit).toBe("no result");
  });
});

describe("the answer in words", () => {
  it("says the same kind when every low-bit mode passes", () => {
    const verdict = verdictOf([run("fp32"), run("li_binary"), run("li_ternary")]);
    expect(verdict.headline).toBe("Binary and ternary transformers learn the same kind of algorithm as full precision.");
    expect(verdict.modes.map((m) => m.comparison)).toEqual(["reference", "same family", "same family"]);
    expect(verdict.findings.every((f) => f.tone === "good")).toBe(true);
  });

  it("says with more noise when all of them explain less", () => {
    expect(verdictOf([run("fp32", { logitFve: 0.95 }), run("li_binary", { logitFve: 0.75 }), run("li_ternary", { logitFve: 0.89 })]).headline).toBe(
      "Binary and ternary transformers learn the same kind of algorithm as full precision, with more noise.",
    );
  });

  it("tells modes apart", () => {
    const mixed = verdictOf([
      run("fp32"),
      run("li_binary", ungrokked),
      run("binary", { logitFve: 0.5 }),
      run("li_ternary"),
      run("ternary", { logitFve: 0.1 }),
    ]);
    expect(mixed.headline).toBe(
      "Ternary (Li) learns the same kind of algorithm as full precision. Binary (BitNet) does too, with more noise. Ternary (b1.58) solves the task by something else. Binary (Li) did not generalise in the epochs given.",
    );
  });

  it("does not compare with a full precision that has no circuit", () => {
    expect(verdictOf([run("fp32", ungrokked), run("li_ternary")]).headline).toBe(
      "Full precision itself did not settle on the known circuit (not grokked); 1 of 1 low-bit modes learned the known Fourier circuit.",
    );
    expect(verdictOf([run("li_ternary")]).headline).toContain("Full precision has no result to compare with");
  });

  it("has words for nothing at all", () => {
    expect(verdictOf([]).headline).toBe("No result yet.");
    expect(verdictOf([run("fp32")]).headline).toBe("No low-bit model has a result yet.");
    expect(verdictOf([run("fp32"), run("li_binary", { status: "failed", testAccuracy: null })]).headline).toBe("No low-bit model has a result yet.");
    expect(verdictOf([run("li_binary", { status: "failed", testAccuracy: null })]).headline).toBe("No result yet.");
  });

  it("sets a lone checkpoint beside the known circuit only", () => {
    const lone = verdictOf([run("li_ternary", { grokEpoch: null, historyKnown: false })]);
    expect(lone.headline).toBe("This model adds with the known Fourier circuit.");
    expect(lone.findings[0]?.text).toBe(
      "Ternary (Li) answers unseen pairs: a Fourier circuit with 3 key frequencies, which make up 90 % of its logits.",
    );
  });

  it("warns where attention is uniform", () => {
    const verdict = verdictOf([run("fp32"), run("li_ternary", { attentionStd: 1e-7, symmetricity: 1, irrelevance: 0.9 })]);
    expect(verdict.paragraphs.join(" ")).toContain("Ternary (Li) attends to all three tokens alike");
    expect(verdict.modes[1]).toMatchObject({ clockOrPizza: "neither", uniformAttention: true });
  });

  it("compares how long grokking takes", () => {
    const verdict = verdictOf([run("fp32", { grokEpoch: 6000 }), run("li_binary", { grokEpoch: 2400 }), run("li_ternary", { grokEpoch: 3000 })]);
    expect(verdict.paragraphs[1]).toBe(
      "Full precision reaches 99 % test accuracy at epoch 6,000. As multiples of that, the others take: Binary (Li) 0.40 and Ternary (Li) 0.50.",
    );
    expect(verdictOf([run("li_binary")]).paragraphs.join()).not.toContain("multiples");
  });

  it("states the spread", () => {
    const text = verdictOf([run("fp32", { grokEpoch: 3000 }), run("fp32", { grokEpoch: 4000, keyFrequencies: [1] }, 1)]).findings[0]?.text;
    expect(text).toBe(
      "Full precision groks at epoch 3,500 ± 707 (2 seeds): a Fourier circuit with 1 to 3 key frequencies, which make up 90 % of its logits. The verdict holds for 2 of 2 seeds.",
    );
  });
});
