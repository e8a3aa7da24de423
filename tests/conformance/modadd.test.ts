/** Li's architecture in every mode against the test's own f64 forward and backward pass: activations, replaced activations and gradients of embeddings. */
import { liConfig, loadCore, MODES, Model, nandaConfig } from "tritlens";
import {
  analyzeModAddWithPictures,
  collectLogits,
  collectModAdd,
  type Floats,
  loadModAddWeights,
  type ModAddReplacements,
  modAddProbe,
  type NamedArray,
} from "tritlens/interp";
import { beforeAll, describe, expect, test } from "vitest";
import { LiModel } from "../support/li-model.ts";

const p = 7;
const trainIndices = [0, 5, 11];
/** f32 against f64: largest difference relative to the largest entry. Saturated binary attention multiplies scores of about 64 into the error. */
const TOLERANCE = 2e-5;

beforeAll(async () => {
  await loadCore();
});

const SHORT: Record<string, string> = { "ln_final.w": "gain" };

/** The latent weights by short name. */
function weightsOf(model: Model): Map<string, NamedArray> {
  return new Map(model.paramNames.map((name) => [SHORT[name] ?? name.slice(name.lastIndexOf(".") + 1), model.readParam(name)]));
}

function expectClose(found: Floats, expected: Floats): void {
  expect(found.length).toBe(expected.length);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(found[i] - expected[i]));
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  expect(largest).toBeGreaterThan(0);
  expect(worst / largest).toBeLessThan(TOLERANCE);
}

describe.each(MODES)("%s", (mode) => {
  const open = (): { model: Model; reference: LiModel } => {
    const model = Model.fromConfig(liConfig({ p, mode }), { seed: 4 });
    return { model, reference: new LiModel(mode, p, weightsOf(model), trainIndices) };
  };

  test("activations", () => {
    const { model, reference } = open();
    const [found, expected] = [collectModAdd(model, { trainIndices }), reference.activations()];
    for (const key of ["logits", "neurons", "pattern", "residPre", "attnOut", "mlpOut"] as const) expectClose(found[key], expected[key]);
    expect(found.mode).toBe(mode);
    for (const [name, { effective }] of Object.entries(expected.weights)) expectClose(found.weights[name].effective, effective);
    model.dispose();
  });

  test("logits with each activation replaced", async () => {
    const { model, reference } = open();
    const { attnOut, mlpOut, neurons, pattern, residPre } = reference.activations();
    // "=" keeps its embedding: it is the residual stream at the read-out position, too.
    const d = residPre.length;
    const embed = Float64Array.from({ length: p * p * 3 * d }, (_, i) => (Math.floor(i / d) % 3 === 2 ? residPre[i % d] : Math.sin(i)));
    const all: ModAddReplacements = {
      embed,
      pattern: pattern.map(() => 0.3),
      residMid: attnOut,
      neurons: neurons.map((x: number) => x / 2),
      residPost: mlpOut,
    };
    for (const key of Object.keys(all) as (keyof ModAddReplacements)[]) {
      const one = { [key]: all[key] };
      expectClose(await modAddProbe(model).logits(one), await reference.logits(one));
    }
    model.dispose();
  });

  test("gradients of embeddings", async () => {
    const { model, reference } = open();
    const triples = [
      [0, 1, 2],
      [3, 3, 6],
      [6, 2, 0],
    ] as const;
    expectClose(await modAddProbe(model).embeddingGradients(triples), await reference.embeddingGradients(triples));
    model.dispose();
  });
});

test("logits for progress measures equal those of the whole collection, also where symmetry saves half of the runs", () => {
  for (const config of [liConfig({ p }), nandaConfig({ p })]) {
    using model = Model.fromConfig(config, { seed: 2 });
    expectClose(collectLogits(model, { p, trainIndices }).logits, collectModAdd(model, { p, trainIndices }).logits);
  }
});

test("the whole analysis runs on Nanda's architecture, untrained", async () => {
  using model = Model.fromConfig(nandaConfig({ p }), { seed: 3 });
  using untrained = Model.fromConfig(nandaConfig({ p }), { seed: 5 });
  const { analysis, pictures } = await analyzeModAddWithPictures(model, { p, trainIndices, untrained, keyFrequencies: [1, 2] });
  expect(analysis).toMatchObject({ mode: "fp32", p, zeros: {}, codes: {} });
  expect(analysis.ablations).toHaveLength(3 + 10 + 2);
  expect(analysis.circles).toHaveLength(2);
  expect(analysis.untrained?.gradient_symmetricity).not.toBe(analysis.gradient_symmetricity);
  // NaN and infinity would become null; only what is null by design may be.
  expect(JSON.parse(JSON.stringify({ analysis, pictures }))).toEqual({ analysis, pictures });
});

test.each([
  ["two blocks", { nLayers: 2 }, undefined, "E_SPEC"],
  ["logits at all positions", { readout: "all" }, undefined, "E_SPEC"],
  ["a modulus beyond the vocabulary", {}, 11, "E_RANGE"],
  ["p below 3", {}, 2, "E_RANGE"],
] as const)("%s is refused", (_name, change, modulus, code) => {
  using model = Model.fromConfig(liConfig({ p, ...change }), { seed: 2 });
  expect(() => collectModAdd(model, { ...(modulus ? { p: modulus } : {}), trainIndices })).toThrow(code);
});

test("a checkpoint with a missing, unknown or misshapen weight is refused and changes nothing", () => {
  using model = Model.fromConfig(liConfig({ p }), { seed: 2 });
  using other = Model.fromConfig(liConfig({ p }), { seed: 9 });
  const good = weightsOf(other);
  const before = model.readParam("unembed.W_U").data;
  const without = new Map([...good].filter(([name]) => name !== "W_out"));
  const extra = new Map([...good, ["W_X", { shape: [1], data: new Float32Array(1) }] as const]);
  const misshapen = new Map([...good, ["W_out", { shape: [512, 128], data: new Float32Array(512 * 128) }] as const]);
  expect(() => loadModAddWeights(model, without)).toThrow("E_NAME");
  expect(() => loadModAddWeights(model, extra)).toThrow("E_NAME");
  expect(() => loadModAddWeights(model, misshapen)).toThrow("E_SHAPE");
  expect(model.readParam("unembed.W_U").data).toEqual(before);
  loadModAddWeights(model, good);
  expect(model.readParam("unembed.W_U").data).toEqual(other.readParam("unembed.W_U").data);
});

test("logits(a, b) = logits(b, a) in Li's architecture, not in Nanda's", () => {
  const asymmetry = (model: Model): number => {
    const { data } = model.forward([
      [1, 5, p],
      [5, 1, p],
    ]);
    const classes = data.length / 2;
    return data.subarray(0, p).reduce((worst, value, c) => Math.max(worst, Math.abs(value - data[classes + c])), 0);
  };
  using li = Model.fromConfig(liConfig({ p }), { seed: 1 });
  using nanda = Model.fromConfig(nandaConfig({ p }), { seed: 1 });
  expect(asymmetry(li)).toBeLessThan(1e-5);
  expect(asymmetry(nanda)).toBeGreaterThan(1e-3);
});
