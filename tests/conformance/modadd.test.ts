/** Li's architecture in every mode against the test's own f64 forward and backward pass: activations, replaced activations and gradients of embeddings. */
import { liConfig, loadCore, MODES, Model, nandaConfig } from "tritlens";
import { collectModAdd, type Floats, type ModAddReplacements, modAddProbe, type NamedArray } from "tritlens/interp";
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

test("logits(a, b) = logits(b, a) in Li's architecture, not in Nanda's (sheet 6.8)", () => {
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
