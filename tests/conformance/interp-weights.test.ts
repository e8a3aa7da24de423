/** Analyses of weights: algebra of factored matrices, circuits against what the model computes, packed models against dense ones, and what is refused. */
import { type Core, Model, mapTensor, Tensor, zeros } from "tritlens";
import {
  allCompositionScores,
  allHeadLabels,
  compositionScores,
  detectHead,
  directionTokens,
  FactoredMatrix,
  headPattern,
  headSubspaceOverlap,
  neuronLogits,
  neuronsForToken,
  ovCircuit,
  principalCosines,
  projectionKernel,
  qkCircuit,
  SVDInterpreter,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { difference, largest } from "../golden/support.ts";
import { packedAndTwin, storedAndTwin, type Twins } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

const noise = (shape: number[], seed: number, axes?: string[]): Tensor => {
  const out = new Float32Array(shape.reduce((n, d) => n * d, 1));
  core.random(seed, 3, 1, out);
  return Tensor.from(out, shape, axes);
};

/** One matrix product in f64. */
function product(a: Tensor, b: Tensor): Float64Array {
  const [m, k] = a.shape as [number, number];
  const n = b.shape[1] as number;
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let l = 0; l < k; l++) for (let j = 0; j < n; j++) out[i * n + j]! += a.at(i, l) * b.at(l, j);
  return out;
}

describe("FactoredMatrix", () => {
  const factored = () =>
    new FactoredMatrix(noise([2, 3, 7, 4], 1, ["layer", "head", "in", "mid"]), noise([2, 3, 4, 7], 2, ["layer", "head", "mid", "out"]), { core });
  it("is the product, and so are its transpose, even form and collapses", () => {
    const f = factored();
    expect([f.shape, f.axes]).toEqual([
      [2, 3, 7, 7],
      ["layer", "head", "in", "out"],
    ]);
    for (const [l, h] of [
      [0, 0],
      [1, 2],
    ] as const) {
      const expected = product(f.A.slice(0, l).slice(0, h), f.B.slice(0, l).slice(0, h));
      const one = f.index(l, h);
      expect(difference(one.AB.data, expected)).toBeLessThan(1e-5);
      expect(difference(f.AB.slice(0, l).slice(0, h).data, expected)).toBeLessThan(1e-5);
      expect(difference(one.T.T.AB.data, expected)).toBeLessThan(1e-5);
      expect(difference(one.makeEven().AB.data, expected)).toBeLessThan(1e-5);
      expect(one.norm().at()).toBeCloseTo(Math.hypot(...expected), 4);
      expect(Math.hypot(...one.collapseL().data)).toBeCloseTo(Math.hypot(...expected), 4);
      expect(Math.hypot(...one.collapseR().data)).toBeCloseTo(Math.hypot(...expected), 4);
      expect(difference(one.getCorner(2).data, [expected[0]!, expected[1]!, expected[7]!, expected[8]!])).toBeLessThan(1e-5);
    }
    expect([f.U.shape, f.S.shape, f.Vh.shape]).toEqual([
      [2, 3, 7, 4],
      [2, 3, 4],
      [2, 3, 7, 4],
    ]);
  });
  it("multiplies from both sides without the product", () => {
    const f = factored().index(1, 1);
    const full = f.AB;
    const [x, m] = [noise([7], 5), noise([7, 3], 6)];
    const column = x.reshape([7, 1]);
    expect(difference((f.multiply(x) as Tensor).data, product(full, column))).toBeLessThan(1e-5);
    expect(difference((f.multiplyLeft(x) as Tensor).data, product(x.reshape([1, 7]), full))).toBeLessThan(1e-5);
    expect(difference((f.multiply(m) as FactoredMatrix).AB.data, product(full, m))).toBeLessThan(1e-5);
    expect(difference((f.multiplyLeft(noise([2, 7], 8)) as FactoredMatrix).AB.data, product(noise([2, 7], 8), full))).toBeLessThan(1e-5);
    expect(difference(f.multiply(f).AB.data, product(full, full))).toBeLessThan(1e-5);
    expect(
      difference(
        f.scale(-2).AB.data,
        full.data.map((v) => -2 * v),
      ),
    ).toBeLessThan(1e-6);
    expect((factored().multiply(x) as Tensor).shape).toEqual([2, 3, 7]);
  });
  it("shares one factor among many, and has the eigenvalues of the product", () => {
    const shared = new FactoredMatrix(noise([4, 6, 2], 1), noise([2, 6], 2), { core });
    expect(shared.shape).toEqual([4, 6, 6]);
    const { re, im, abs } = shared.eigenvalues;
    expect(re.shape).toEqual([4, 2]);
    for (let i = 0; i < 4; i++) {
      const one = shared.index(i).AB;
      const trace = Array.from({ length: 6 }, (_, k) => one.at(k, k)).reduce((a, b) => a + b, 0);
      expect(re.at(i, 0) + re.at(i, 1)).toBeCloseTo(trace, 4);
      expect(abs.at(i, 0)).toBeCloseTo(Math.hypot(re.at(i, 0), im.at(i, 0)), 5);
    }
  });
  it("refuses what does not fit", () => {
    expect(codeOf(() => new FactoredMatrix(noise([3, 2], 1), noise([3, 3], 1), { core }))).toBe("E_SHAPE");
    expect(codeOf(() => new FactoredMatrix(noise([3], 1), noise([3, 3], 1), { core }))).toBe("E_SHAPE");
    expect(codeOf(() => new FactoredMatrix(noise([2, 3, 2], 1), noise([4, 2, 3], 1), { core }))).toBe("E_SHAPE");
    const wide = new FactoredMatrix(noise([3, 2], 1), noise([2, 5], 1), { core });
    expect(codeOf(() => wide.eigenvalues)).toBe("E_SHAPE");
    expect(codeOf(() => wide.BA)).toBe("E_SHAPE");
    expect(codeOf(() => wide.multiply(noise([3], 1)))).toBe("E_SHAPE");
    expect(codeOf(() => wide.multiply(noise([3, 3], 1)))).toBe("E_SHAPE");
    expect(codeOf(() => wide.multiplyLeft(noise([2, 5], 1)))).toBe("E_SHAPE");
    expect(codeOf(() => wide.index(0))).toBe("E_SHAPE");
    expect(codeOf(() => factored().index(2))).toBe("E_RANGE");
  });
});

/** Biases out of the way, gains and everything else random. */
function shaken(change: Parameters<typeof Model.fromConfig>[0]): Model {
  const model = Model.fromConfig(change, { core, seed: 4 });
  for (const name of model.paramNames) {
    const old = model.readParam(name);
    if (/\.(b|b_\w+)$/.test(name)) model.writeParam(name, new Float32Array(old.size));
    else if (old.shape.length === 1) model.writeParam(name, mapTensor(noise([old.size], name.length), (x) => 1 + 0.3 * x).data);
  }
  return model;
}

describe("circuits", () => {
  const small = { nLayers: 2, dModel: 16, dHead: 4, nHeads: 4, dMlp: 24, nCtx: 8, dVocab: 11, attnBias: true };
  it.each([
    ["LN", { normalization: "LN" }],
    ["RMS with grouped keys", { normalization: "RMS", nKeyValueHeads: 2 }],
    ["no norm", { normalization: "none" }],
    ["LN without gains, parallel", { normalization: "LNPre", parallelAttnMlp: true }],
  ] as const)("folded QK and OV are what the model computes: %s", (_, change) => {
    const model = shaken({ ...small, positions: "none", ...change });
    const tokens = [[1, 5, 2, 9]];
    const { cache } = model.runWithCache(tokens);
    const layer = 1;
    const x = cache.get(`blocks.${layer}.hook_resid_pre`).slice("batch", 0);
    const scaleName = `blocks.${layer}.ln1.hook_scale`;
    const scale = cache.has(scaleName) ? Array.from(cache.get(scaleName).data) : [1, 1, 1, 1];
    const [qk, ov] = [qkCircuit(model, { layers: [layer], norms: "folded" }), ovCircuit(model, { layers: [layer], norms: "folded" })];
    const scores = cache.get(`blocks.${layer}.attn.hook_attn_scores`);
    const pattern = cache.get(`blocks.${layer}.attn.hook_pattern`);
    let out = new Float64Array(4 * 16);
    for (let head = 0; head < 4; head++) {
      const one = qk.index(0, head).AB;
      for (let q = 0; q < 4; q++)
        for (let k = 0; k <= q; k++) {
          let sum = 0;
          for (let i = 0; i < 16; i++) for (let j = 0; j < 16; j++) sum += x.at(q, i) * one.at(i, j) * x.at(k, j);
          expect(sum / (scale[q]! * scale[k]! * 2)).toBeCloseTo(scores.at(0, head, q, k), 4);
        }
      const moved = product(x, ov.index(0, head).AB);
      out = out.map((v, at) => {
        const [q, d] = [Math.floor(at / 16), at % 16];
        return [0, 1, 2, 3].reduce((sum, k) => sum + (pattern.at(0, head, q, k) * moved[k * 16 + d]!) / scale[k]!, v);
      });
    }
    expect(difference(cache.get(`blocks.${layer}.hook_attn_out`).data, out)).toBeLessThan(1e-5);
    model.dispose();
  });
  it("folded OV has BitNet's sub-norm in it", () => {
    const model = shaken({ ...small, normalization: "RMS", subNorm: true });
    const [raw, folded] = [ovCircuit(model, { layers: [0] }), ovCircuit(model, { layers: [0], norms: "folded" })];
    const gain = model.weight("blocks.0.attn.sub_norm.w");
    expect(folded.B.at(0, 2, 1, 5)).toBeCloseTo(raw.B.at(0, 2, 1, 5) * gain.at(2 * 4 + 1), 5);
    model.dispose();
  });
  it("composition of matrices is the ratio of norms", () => {
    const [a, b] = [
      new FactoredMatrix(noise([3, 6, 2], 1), noise([3, 2, 6], 2), { core }),
      new FactoredMatrix(noise([2, 6, 2], 3), noise([2, 2, 5], 4), { core }),
    ];
    const scores = compositionScores(a, b, { core });
    expect(scores.shape).toEqual([3, 2]);
    const norm = (m: ArrayLike<number>): number => Math.hypot(...Array.from(m));
    const [x, y] = [a.index(2).AB, b.index(1).AB];
    expect(scores.at(2, 1)).toBeCloseTo(norm(product(x, y)) / norm(x.data) / norm(y.data), 5);
    expect(codeOf(() => compositionScores(b, a, { core }))).toBe("E_SHAPE");
  });
  it("a matrix of zeros composes with nothing, instead of giving NaN", () => {
    const [zero, b] = [new FactoredMatrix(zeros([6, 2]), zeros([2, 6]), { core }), new FactoredMatrix(noise([6, 2], 3), noise([2, 6], 4), { core })];
    expect(compositionScores(zero, b, { core }).at()).toBe(0);
    expect([...zero.S.data]).toEqual([0, 0]);
  });
});

describe("subspaces", () => {
  it("cosines of angles that are known", () => {
    const x = Tensor.from(Float32Array.of(1, 0, 0, 1, 0, 0), [3, 2]);
    const y = Tensor.from(Float32Array.of(1, 0, 0, Math.SQRT1_2, 0, Math.SQRT1_2), [3, 2]);
    expect([...principalCosines(x, y, { core })].map((c) => c.toFixed(5))).toEqual(["1.00000", "0.70711"]);
    // Dependent columns are one direction.
    expect(principalCosines(Tensor.from(Float32Array.of(1, 2, 1, 2, 0, 0), [3, 2]), x, { core })).toHaveLength(1);
    expect(principalCosines(zeros([3, 2]), x, { core })).toHaveLength(0);
    expect(codeOf(() => principalCosines(x, zeros([4, 1]), { core }))).toBe("E_SHAPE");
  });
});

/** Every analysis of this part, as one list of numbers each. */
function everything(model: Model): Record<string, ArrayLike<number>> {
  const tokens = [[1, 4, 7, 2, 1, 4, 7, 2]];
  return {
    ov: ovCircuit(model).S.data,
    qk: qkCircuit(model, { norms: "folded" }).S.data,
    eigenvalues: ovCircuit(model).eigenvalues.abs.data,
    composition: allCompositionScores(model, "K").scores.data,
    overlap: headSubspaceOverlap(model, "O", "Q").overlaps.data,
    induction: detectHead(model, tokens, "induction_head").scores.data,
    neurons: neuronLogits(model, 1, { count: 3, norms: "folded" }).topLogits.data,
    pushed: neuronsForToken(model, 3, { against: 4 }).scores.data,
    singular: new SVDInterpreter(model).getSingularVectors("OV", { layer: 1, head: 2, numVectors: 3 }).logits.data,
    read: new SVDInterpreter(model).getSingularVectors("w_in", { layer: 0, numVectors: 3 }).logits.data,
    written: new SVDInterpreter(model).getSingularVectors("w_out", { layer: 0, numVectors: 3 }).S.data,
  };
}

describe("heads in a model", () => {
  it("overlaps are the projection kernel of what they read and write", () => {
    const model = Model.fromConfig(
      { nLayers: 2, dModel: 12, dHead: 3, nHeads: 4, nKeyValueHeads: 2, attnOnly: true, nCtx: 4, dVocab: 5 },
      { core, seed: 3 },
    );
    const { overlaps } = headSubspaceOverlap(model, "O", "K");
    const flip = (t: Tensor): Tensor =>
      Tensor.from(
        Float32Array.from({ length: t.size }, (_, i) => t.at(i % t.shape[0]!, Math.floor(i / t.shape[0]!))),
        t.shape.toReversed(),
      );
    const keys = flip(model.W_K.slice("layer", 1).slice("head", 1));
    expect(overlaps.at(0, 2, 1, 3)).toBeCloseTo(projectionKernel(model.W_O.slice("layer", 0).slice("head", 2), keys), 5);
    expect(headSubspaceOverlap(model, "V", "V").overlaps.at(1, 0, 1, 1)).toBeCloseTo(1, 5);
    expect(codeOf(() => headSubspaceOverlap(model, "X" as "O", "K"))).toBe("E_NAME");
    model.dispose();
  });
});

describe("packed models say what their dense twins say", () => {
  it.each(["latent", "stored"] as const)("%s", async (kind) => {
    const twins: Twins = kind === "latent" ? packedAndTwin(core, 3) : await storedAndTwin(core, 3);
    const [packed, twin] = [everything(twins.packed), everything(twins.twin)];
    for (const [name, values] of Object.entries(twin)) {
      expect(largest(values), name).toBeGreaterThan(0);
      expect(difference(packed[name]!, values), name).toBeLessThan(1e-5);
    }
    twins.packed.dispose();
    twins.twin.dispose();
  });
});

describe("heads and tokens", () => {
  const model = () =>
    Model.fromConfig({ nLayers: 2, dModel: 16, dHead: 4, nHeads: 4, attnOnly: true, nCtx: 8, dVocab: 11, normalization: "none" }, { core, seed: 2 });
  it("patterns look at what their names say", () => {
    const tokens = [3, 5, 5, 3];
    expect(headPattern("previous_token_head", tokens).toNested()).toEqual([
      [0, 0, 0, 0],
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
    ]);
    expect(headPattern("duplicate_token_head", tokens).toNested()).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 1, 0, 0],
      [1, 0, 0, 0],
    ]);
    expect(headPattern("induction_head", tokens).toNested()).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 1, 0],
      [0, 1, 0, 0],
    ]);
  });
  it("scores what is asked for, the mean of a batch, from a cache as from a run", () => {
    const m = model();
    const batch = [
      [1, 2, 3, 1, 2],
      [4, 4, 1, 0, 4],
    ];
    const found = detectHead(m, batch, "duplicate_token_head", { excludeBos: true });
    const each = batch.map((row) => detectHead(m, [row], "duplicate_token_head", { excludeBos: true }).scores);
    found.scores.data.forEach((score, i) => void expect(score).toBeCloseTo((each[0]!.data[i]! + each[1]!.data[i]!) / 2, 6));
    const { cache } = m.runWithCache(batch);
    expect(detectHead(m, batch, "duplicate_token_head", { excludeBos: true, cache }).scores.data).toEqual(found.scores.data);
    const some = detectHead(m, batch, "duplicate_token_head", { heads: [[1, 2]], excludeBos: true }).scores;
    expect([some.at(0, 0), some.at(1, 2)]).toEqual([-1, found.scores.at(1, 2)]);
    expect(found.top(1)[0]).toMatchObject({ label: expect.stringMatching(/^L[01]H[0-3]$/), score: largest(found.scores.data) });
    // The head's own pattern is the best one.
    const own = cache.get("blocks.1.attn.hook_pattern").slice("batch", 0).slice("head", 2);
    expect(detectHead(m, [batch[0]!], own, { errorMeasure: "abs" }).scores.at(1, 2)).toBe(1);
    expect(detectHead(m, [[1, 2]], "induction_head", { excludeBos: true, excludeCurrentToken: true }).scores.at(0, 0)).toBe(0);
    m.dispose();
  });
  it("says what is wrong", () => {
    const m = model();
    const tokens = [[1, 2, 3]];
    expect(codeOf(() => detectHead(m, tokens, "induction" as "induction_head"))).toBe("E_NAME");
    expect(codeOf(() => detectHead(m, tokens, "induction_head", { errorMeasure: "sq" as "abs" }))).toBe("E_NAME");
    expect(codeOf(() => detectHead(m, tokens, zeros([2, 2])))).toBe("E_SHAPE");
    expect(
      codeOf(() =>
        detectHead(
          m,
          tokens,
          mapTensor(zeros([3, 3]), () => 1),
        ),
      ),
    ).toBe("E_SHAPE");
    expect(codeOf(() => detectHead(m, [[1]], "induction_head"))).toBe("E_RANGE");
    expect(codeOf(() => detectHead(m, tokens, "induction_head", { heads: [[2, 0]] }))).toBe("E_RANGE");
    expect(codeOf(() => detectHead(m, tokens, "induction_head", { heads: [[0, 4]] }))).toBe("E_RANGE");
    expect(codeOf(() => detectHead(m, tokens, "induction_head", { cache: m.runWithCache([[1, 2]]).cache }))).toBe("E_SHAPE");
    expect(codeOf(() => neuronLogits(m, 0))).toBe("E_MODE");
    expect(codeOf(() => neuronsForToken(m, 0))).toBe("E_MODE");
    expect(codeOf(() => allCompositionScores(m, "X" as "Q"))).toBe("E_NAME");
    expect(codeOf(() => ovCircuit(m, { layers: [2] }))).toBe("E_RANGE");
    const reader = new SVDInterpreter(m);
    expect(codeOf(() => reader.getSingularVectors("w_in", { layer: 0 }))).toBe("E_MODE");
    expect(codeOf(() => reader.getSingularVectors("OV", { layer: 0 }))).toBe("E_RANGE");
    expect(codeOf(() => reader.getSingularVectors("OV", { layer: 0, head: 0, numVectors: 5 }))).toBe("E_RANGE");
    const bare = Model.fromSpec(m.spec, { core });
    expect(codeOf(() => ovCircuit(bare))).toBe("E_SPEC");
    expect(codeOf(() => directionTokens(m, zeros([2, 5])))).toBe("E_SHAPE");
    expect(codeOf(() => directionTokens(m, zeros([2, 16]), { count: 12 }))).toBe("E_RANGE");
    expect(allHeadLabels(m).slice(3, 5)).toEqual(["L0H3", "L1H0"]);
    m.dispose();
    bare.dispose();
    expect(codeOf(() => ovCircuit(m))).toBe("E_CLOSED");
  });
  it("directions in tokens: the largest and smallest of the products with W_U", () => {
    const m = Model.fromConfig({ nLayers: 1, dModel: 8, dHead: 4, nHeads: 2, dMlp: 12, nCtx: 4, dVocab: 9 }, { core, seed: 1 });
    const found = neuronLogits(m, 0, { neurons: [7, 3], count: 2 });
    const logits = Array.from(product(m.weight("blocks.0.mlp.W_out"), m.W_U));
    for (const [i, neuron] of [7, 3].entries()) {
      const row = logits.slice(neuron * 9, (neuron + 1) * 9);
      const order = row.map((_, t) => t).sort((a, b) => row[b]! - row[a]!);
      expect([...found.top.slice("direction", i).data]).toEqual(order.slice(0, 2));
      expect([...found.bottom.slice("direction", i).data]).toEqual(order.toReversed().slice(0, 2));
      expect(found.topLogits.at(i, 0)).toBeCloseTo(row[order[0]!]!, 5);
      expect(neuronsForToken(m, 5).scores.at(0, neuron)).toBeCloseTo(row[5]!, 5);
    }
    expect(found.labels).toEqual(["L0N7", "L0N3"]);
    expect(found.texts(0)).toEqual([...found.top.slice("direction", 0).data].map(String));
    m.dispose();
  });
});
