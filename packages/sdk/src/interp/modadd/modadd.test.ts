import { describe, expect, test } from "vitest";
import { TritlensError } from "../../core/index.ts";
import { fourierBasis } from "../math/fourier.ts";
import { NumpyRandom } from "../math/numpy-random.ts";
import { analyzeActivations } from "./analyze.ts";
import { fitCircle } from "./circles.ts";
import { circularity, embeddingComponents } from "./circularity.ts";
import { correctLogits, distanceIrrelevance, gradientSymmetricity, symmetricMaxAbs } from "./clock-pizza.ts";
import { codeFlips, codeStatistics } from "./codes.ts";
import type { ModAddActivations, ModAddOptions } from "./input.ts";
import { neuronFve, summariseNeurons } from "./neurons.ts";
import { detectPhases } from "./phases.ts";
import { prepare } from "./prepare.ts";
import { progressMeasures } from "./progress.ts";
import { clockLogits, clockModel, dense, pizzaLogits } from "./synthetic.test-support.ts";

const p = 31;
const ks = [4, 9, 13];

describe("a synthetic clock", async () => {
  const found = await analyzeActivations(clockModel(p, ks));

  test("key frequencies, coefficients and shares are the ones put in", () => {
    expect([...found.key_frequencies].sort((x, y) => x - y)).toEqual(ks);
    for (const k of ks) {
      expect(found.alpha[k]).toBeCloseTo(2, 12);
      expect(found.logit_share[k]).toBeCloseTo(1 / 3, 12);
    }
    expect(found.logit_fve_key).toBeCloseTo(1, 12);
    expect(found.logit_fit.r2_global).toBeCloseTo(1, 12);
  });

  test("restricted loss is the loss, excluded loss is ln p", () => {
    for (const split of ["all", "train", "test"] as const) {
      expect(found.restricted_loss[split]).toBeCloseTo(found.all_loss, 12);
      expect(found.excluded_loss[split]).toBeCloseTo(Math.log(p), 12);
      expect(found.excluded_loss_3d[split]).toBeCloseTo(Math.log(p), 12);
      expect(found.logit_fit.loss[split]).toBeCloseTo(found.all_loss, 12);
    }
  });

  test("only the 2 x 2 same-frequency blocks are there", () => {
    expect(found.logit_spectrum.significant).toBe(4 * ks.length);
    expect(found.logit_spectrum.in_blocks).toBe(4 * ks.length);
    expect(found.logit_spectrum.key_block_share).toBeCloseTo(1, 12);
    expect(found.logit_spectrum.key_sum_share).toBeCloseTo(1, 12);
  });

  test("neurons, W_L, representation and embedding agree", () => {
    expect(found.neurons.clusters).toEqual({ 4: 2, 9: 2, 13: 2 });
    expect(found.neurons.mean_best_fve).toBeCloseTo(1, 12);
    expect(found.unembed.rank).toBe(6);
    expect(found.unembed.residual).toBeLessThan(1e-7);
    expect(found.unembed.u_fve[4]).toBeCloseTo(1, 12);
    expect(found.unembed.v_interaction_fve[9]).toBeCloseTo(1, 12);
    expect(found.representation.embedding_fve_key).toBeCloseTo(1, 12);
    expect(found.representation.mlp_fve_key).toBeCloseTo(1, 12);
    expect(found.key_gram.mean_off_diagonal).toBeLessThan(1e-12);
  });

  test("the result is JSON-safe", () => {
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });
});

test("linear terms of neurons count against u_fve, not against its interaction share", async () => {
  const acts = clockModel(p, [4]);
  const linear = acts.neurons.map((value, i) => value + Math.cos((2 * Math.PI * 4 * Math.floor(Math.floor(i / acts.dMlp) / p)) / p));
  const { unembed } = await analyzeActivations({ ...acts, neurons: linear });
  expect(unembed.u_fve[4]).toBeCloseTo(0.5, 12);
  expect(unembed.u_interaction_fve[4]).toBeCloseTo(1, 12);
});

test("fixed frequencies are used as given, and are half of the excluded sum when half are given", async () => {
  const found = await analyzeActivations(clockModel(p, ks), { keyFrequencies: [9] });
  expect(found.key_frequencies).toEqual([9]);
  expect(found.key_frequency_rule.rule).toBe("fixed");
  expect(found.logit_fve_key).toBeCloseTo(1 / 3, 12);
  expect(found.excluded_loss.all).toBeLessThan(Math.log(p));
});

test.each(["logit_share", "neuron_argmax", "embedding_norm", "unembed_norm"] as const)("rule %s finds the clock's frequencies", async (rule) => {
  const found = await analyzeActivations(clockModel(p, ks), { keyFrequencyRule: rule });
  expect([...found.key_frequencies].sort((x, y) => x - y)).toEqual(ks);
  expect(found.key_frequency_rule.rule).toBe(rule);
});

test("an even modulus works", async () => {
  const found = await analyzeActivations(clockModel(30, [4, 7]));
  expect([...found.key_frequencies].sort((x, y) => x - y)).toEqual([4, 7]);
  expect(found.logit_fve_key).toBeCloseTo(1, 12);
  expect(found.restricted_loss.all).toBeCloseTo(found.all_loss, 12);
});

test("white noise has FVE about 8 / (p^2 - 1) a frequency", () => {
  const size = 113;
  const random = new NumpyRandom(1);
  const n = 20;
  const neurons = Float64Array.from({ length: size * size * n }, () => random.uniform() - 0.5);
  const acts: ModAddActivations = {
    ...clockModel(size, [1, 2]),
    neurons,
    dMlp: n,
    weights: { ...clockModel(size, [1, 2]).weights, W_out: dense([4, n], () => 1) },
  };
  const { fve, total } = neuronFve(neurons, prepare(acts), size, n);
  const mean = fve.reduce((sum, row) => sum + row.reduce((s, value) => s + value, 0), 0) / (fve.length * n);
  expect(mean / (8 / (size * size - 1))).toBeCloseTo(1, 1);
  expect(summariseNeurons({ fve, total }, 0.85).mean_best_fve).toBeLessThan(2e-3);
});

test("two perfect circles give circularity 1 on all four components", () => {
  // Unlike radii: circles of equal power share one eigenvalue, and its components are any mixture.
  const embedding = clockModel(p, [3, 7]).weights.W_E.effective.map((value, i) => (i % 4 < 2 ? 2 : 1) * value);
  const found = circularity(embeddingComponents(embedding, p, 4), p);
  for (const value of found.by_component) expect(value).toBeCloseTo(1, 6);
  expect(new Set(found.frequencies)).toEqual(new Set([3, 7]));
});

describe("clock and pizza", () => {
  test("a clock's correct logit is constant: 0/0 is reported as 0", () => {
    expect(distanceIrrelevance(correctLogits(clockLogits(p, ks, 3), p), p)).toBe(0);
  });

  test("a pizza's correct logit depends on the distance only: 0", () => {
    expect(distanceIrrelevance(correctLogits(pizzaLogits(p, 5), p), p)).toBeCloseTo(0, 12);
  });

  test("a correct logit that depends on the sum only: 1", () => {
    const values = Float64Array.from({ length: p * p }, (_, pair) => Math.sin((Math.floor(pair / p) + (pair % p)) % p));
    expect(distanceIrrelevance(values, p)).toBeCloseTo(1, 12);
  });

  test("each formula explains its own logits wholly", () => {
    expect(fitCircle(clockLogits(p, [5], 3), 5, p).clock).toBeCloseTo(1, 12);
    const pizza = fitCircle(pizzaLogits(p, 5), 5, p);
    expect(pizza.pizza).toBeCloseTo(1, 12);
    expect(pizza.clock).toBeLessThan(0.95);
  });

  test("gradient symmetricity is 1 for equal gradients and -1 for opposite ones", () => {
    expect(gradientSymmetricity(Float64Array.of(1, 2, 1, 2), 1, 2)).toBeCloseTo(1, 12);
    expect(gradientSymmetricity(Float64Array.of(1, 2, 2, 4, 1, 0, -3, 0), 2, 2)).toBeCloseTo(0, 12);
  });

  test("a gradient that vanished has no direction", () => {
    expect(gradientSymmetricity(Float64Array.of(1e-20, 0, 1, 0), 1, 2)).toBeCloseTo(1e-12, 20);
  });

  test("swap symmetry sees one asymmetric logit", () => {
    const logits = clockLogits(p, ks, 1);
    expect(symmetricMaxAbs(logits, p)).toBe(0);
    logits[(3 * p + 5) * p + 2] += 0.25;
    expect(symmetricMaxAbs(logits, p)).toBeCloseTo(0.25, 12);
  });
});

test("progress measures equal the full analysis", async () => {
  const acts = clockModel(p, ks);
  const full = await analyzeActivations(acts);
  const progress = progressMeasures(acts, full.key_frequencies);
  for (const [key, value] of Object.entries(progress)) expect((full as unknown as Record<string, unknown>)[key]).toEqual(value);
});

test("codes: shares, scale, entropy and flips", () => {
  const effective = Float64Array.of(-2, 0, 2, 2);
  const weight = { quant: "li_ternary", latent: Float64Array.of(-1, 0.1, 3, 2), effective, shape: [2, 2] };
  const found = codeStatistics({ W_in: weight, W_E: dense([1, 1], () => 1) });
  expect(found).toMatchObject({ W_in: { scale: 2, minus: 0.25, zero: 0.25, plus: 0.5, entropy: 1.5 } });
  expect(Object.keys(found)).toEqual(["W_in"]);
  expect(codeFlips({ W_in: weight }, { W_in: { ...weight, effective: Float64Array.of(-2, 2, 2, -2) } })).toEqual({ W_in: 0.5 });
});

test("phases are read off curves by the stated rules", () => {
  const curves = {
    epoch: [0, 100, 200, 300, 400],
    train_loss: [4.8, 0.01, 0.001, 0.001, 0.001],
    test_loss: [5, 9, 8, 3, 0.01],
    excluded_loss: [4.8, 0.5, 0.3, 4, 0.1],
    restricted_loss: [],
    sum_squared_total: [],
  };
  expect(detectPhases(curves, 113)).toMatchObject({ memorised: 100, excluded_minimum: 400, cleanup_start: 300, cleanup_end: 400 });
  const accuracies = { train_accuracy: [0, 0.5, 0.98, 1, 1], test_accuracy: [0, 0, 0, 0.5, 0.99] };
  const byAccuracy = detectPhases({ ...curves, ...accuracies }, 113);
  expect(byAccuracy).toMatchObject({ memorised: curves.epoch[3], cleanup_end: curves.epoch[4] });
  expect(byAccuracy.rules[0]).toBe("memorised: first epoch with training accuracy of at least 99 %");
  expect(detectPhases({ ...curves, excluded_loss: [] }, 113).excluded_minimum).toBeNull();
  expect(detectPhases({ ...curves, train_loss: [5, 5, 5, 5, 5] }, 113)).toMatchObject({
    memorised: null,
    cleanup_start: null,
    cleanup_end: null,
  });
});

test("a model with no key frequency is analysed all the same", async () => {
  const acts = clockModel(p, ks);
  const random = new NumpyRandom(3);
  const found = await analyzeActivations({ ...acts, logits: acts.logits.map(() => random.uniform()) });
  expect(found.key_frequencies).toEqual([]);
  expect(found.logit_fve_key).toBe(0);
  expect(found.logit_fit.loss.all).toBeCloseTo(Math.log(p), 12);
  expect(found.excluded_loss).toEqual({
    all: expect.closeTo(found.all_loss),
    train: expect.closeTo(found.train_loss),
    test: expect.closeTo(found.test_loss),
  });
});

describe("bad input is a typed error", () => {
  const acts = clockModel(p, ks);
  const nan = Float64Array.from(acts.logits);
  nan[7] = Number.NaN;
  const moved = Float64Array.from(acts.logits);
  structuredClone(moved, { transfer: [moved.buffer] });
  const { W_U: _, ...withoutUnembed } = acts.weights;
  test.each<[string, Partial<ModAddActivations>, ModAddOptions, string]>([
    ["p below 3", { p: 2 }, {}, "E_RANGE"],
    ["a fractional p", { p: 31.5 }, {}, "E_RANGE"],
    ["short logits", { logits: acts.logits.subarray(1) }, {}, "E_SHAPE"],
    ["NaN in logits", { logits: nan }, {}, "E_NONFINITE"],
    ["a transferred buffer", { logits: moved }, {}, "E_DETACHED"],
    ["a missing weight", { weights: withoutUnembed }, {}, "E_NAME"],
    ["a training pair outside", { trainIndices: [p * p] }, {}, "E_RANGE"],
    ["no training pairs", { trainIndices: [] }, {}, "E_SHAPE"],
    ["frequency 0", {}, { keyFrequencies: [0] }, "E_RANGE"],
    ["a frequency above (p-1)/2", {}, { keyFrequencies: [16] }, "E_RANGE"],
    ["an unknown rule", {}, { keyFrequencyRule: "logit_shar" as "logit_share" }, "E_NAME"],
    ["a threshold above 1", {}, { keyFrequencyThreshold: 2 }, "E_RANGE"],
  ])("%s", async (_name, change, options, code) => {
    const error = await analyzeActivations({ ...acts, ...change }, options).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TritlensError);
    expect((error as TritlensError).code).toBe(code);
  });

  test("an unknown rule names the nearest one", async () => {
    const error = await analyzeActivations(acts, { keyFrequencyRule: "logit_shar" as "logit_share" }).catch((e: unknown) => e as TritlensError);
    expect((error as TritlensError).nearest).toContain("logit_share");
  });
});

test("the basis is not changed by an analysis", async () => {
  const acts = clockModel(p, ks);
  const before = Float64Array.from(acts.logits);
  await analyzeActivations(acts);
  expect(acts.logits).toEqual(before);
  expect(fourierBasis(p)[0]).toBeCloseTo(1 / Math.sqrt(p), 15);
});
