/** What quantisation changes, and whether two models do the same: against runs made by hand, and against models whose relation is known. */
import { type Core, convertModel, Model, Tensor } from "tritlens";
import {
  compareAlgorithms,
  linearCka,
  logitDiff,
  matchUnits,
  matrixAttribution,
  matrixProduct,
  procrustes,
  procrustesSimilarity,
  quantizationAttribution,
  shuffledRows,
  thinQr,
  unitCorrelations,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { difference } from "../golden/support.ts";
import { packedAndTwin, storedAndTwin, TWIN_CONFIG } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

const noise = (shape: number[], seed: number): Tensor => {
  const out = new Float32Array(shape.reduce((n, d) => n * d, 1));
  core.random(seed, 5, 1, out);
  return Tensor.from(out, shape);
};

async function rejected(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  return codeOf(() => {
    throw error;
  });
}

describe("representations", () => {
  it.each([
    ["more samples than dimensions", 40, 6],
    ["fewer", 7, 20],
  ])("a rotated and scaled one is the same: %s", (_, n, d) => {
    const x = noise([n, d], 1);
    const { q } = thinQr(noise([d, d], 2).data, d, d);
    const y = Tensor.from(
      Float32Array.from(matrixProduct(x.data, q, n, d, d), (v, i) => 3 * v + (i % d)),
      [n, d],
    );
    expect(linearCka(x, y, { core })).toBeCloseTo(1, 5);
    const { similarity, rotation } = procrustes(x, y, { core });
    expect(similarity).toBeCloseTo(1, 5);
    expect(procrustesSimilarity(x, y)).toBeCloseTo(1, 5);
    if (n > d) expect(difference(rotation.data, q)).toBeLessThan(1e-4);
    const other = noise([n, d], 9);
    expect(procrustesSimilarity(x, other)).toBeCloseTo(procrustes(x, other, { core }).similarity, 5);
    expect(linearCka(x, other, { core })).toBeLessThan(0.9);
    // Widths may differ.
    expect(linearCka(x, noise([n, 3], 4), { core })).toBeLessThan(0.9);
  });
  it("is 0 for a constant, and refuses other samples", () => {
    const flat = Tensor.from(new Float32Array(12).fill(2), [6, 2]);
    expect([linearCka(flat, noise([6, 2], 1), { core }), procrustesSimilarity(flat, noise([6, 2], 1))]).toEqual([0, 0]);
    expect(codeOf(() => linearCka(noise([6, 2], 1), noise([5, 2], 1), { core }))).toBe("E_SHAPE");
    expect(codeOf(() => procrustes(noise([1, 2], 1), noise([1, 2], 1), { core }))).toBe("E_SHAPE");
    expect([...shuffledRows(noise([9, 2], 3), { core }).data].sort()).toEqual([...noise([9, 2], 3).data].sort());
  });
});

function* permutations(items: number[], k: number): Generator<number[]> {
  if (k === 0) yield [];
  for (const x of k === 0 ? [] : items)
    for (const rest of permutations(
      items.filter((y) => y !== x),
      k - 1,
    ))
      yield [x, ...rest];
}

describe("matching", () => {
  it.each([
    [4, 4, 1],
    [3, 6, 2],
    [6, 3, 3],
    [1, 1, 4],
    [5, 5, 5],
  ])("%i rows and %i columns: the best of all assignments", (n, m, seed) => {
    const scores = noise([n, m], seed);
    const found = matchUnits(scores);
    let best = Number.NEGATIVE_INFINITY;
    const wide = n <= m;
    for (const p of permutations(
      Array.from({ length: Math.max(n, m) }, (_, i) => i),
      Math.min(n, m),
    ))
      best = Math.max(
        best,
        p.map((j, i) => (wide ? scores.at(i, j) : scores.at(j, i))).reduce((a, b) => a + b, 0),
      );
    expect(found.mean * Math.min(n, m)).toBeCloseTo(best, 5);
    const used = [...found.partner].filter((j) => j >= 0);
    expect(new Set(used).size).toBe(Math.min(n, m));
  });
  it("finds the order of shuffled units, and ties end", () => {
    const x = noise([50, 12], 1);
    const order = [3, 7, 0, 11, 5, 1, 9, 2, 10, 4, 8, 6];
    const y = Tensor.from(
      Float32Array.from({ length: 600 }, (_, i) => x.at(Math.floor(i / 12), order[i % 12]!)),
      [50, 12],
    );
    const found = matchUnits(unitCorrelations(x, y, { core }));
    expect(order.map((unit) => found.partner[unit])).toEqual(order.map((_, i) => i));
    expect(found.mean).toBeCloseTo(1, 5);
    expect(matchUnits(Tensor.from(new Float32Array(16).fill(1), [4, 4])).mean).toBe(1);
    expect(codeOf(() => matchUnits(Tensor.from(Float32Array.of(1, Number.NaN), [1, 2])))).toBe("E_NONFINITE");
    expect(codeOf(() => unitCorrelations(x, noise([49, 2], 1), { core }))).toBe("E_SHAPE");
  });
});

const TOKENS = [
  [1, 5, 2, 9, 4, 4],
  [3, 3, 8, 0, 7, 12],
];
const METRIC = logitDiff([5, 2], [7, 6]);

async function denseAndTernary(activations: "f32" | "int8" = "f32"): Promise<{ dense: Model; ternary: Model }> {
  const dense = Model.fromConfig(TWIN_CONFIG, { core, seed: 3 });
  for (const name of dense.paramNames) {
    const { data } = dense.readParam(name);
    // Larger weights than at the start of training, so that quantising them changes what the model does.
    if (/W_/.test(name))
      dense.writeParam(
        name,
        data.map((x) => 4 * x),
      );
  }
  return { dense, ternary: (await convertModel(dense, { format: "ternary", activations, tokens: null })).model };
}

describe("attribution of quantisation", () => {
  it.each(["f32", "int8"] as const)("exchanges are the runs with patched activations (%s)", async (activations) => {
    const { dense, ternary } = await denseAndTernary(activations);
    const found = await quantizationAttribution(dense, ternary, TOKENS, METRIC);
    expect([found.putIn.shape, found.columns, found.complete, found.done]).toEqual([[2, 5], ["H0", "H1", "H2", "H3", "mlp"], true, 20]);
    const value = (model: Model, hooks: NonNullable<Parameters<Model["runWithHooks"]>[1]["hooks"]> = []): number => {
      const logits = model.runWithHooks(TOKENS, { hooks });
      return TOKENS.map((_, b) => logits.at(b, 5, [5, 2][b]!) - logits.at(b, 5, [7, 6][b]!)).reduce((x, y) => x + y) / 2;
    };
    expect(found.full).toBeCloseTo(value(dense), 4);
    expect(found.quantized).toBeCloseTo(value(ternary), 4);
    for (const [from, to, effects] of [
      [ternary, dense, found.putIn],
      [dense, ternary, found.takenOut],
    ] as const) {
      const z = from.runWithCache(TOKENS).cache.get("blocks.0.attn.hook_z").slice("head", [2, 3]);
      const mlp = from.runWithCache(TOKENS).cache.get("blocks.1.hook_mlp_out");
      expect(effects.at(0, 2)).toBeCloseTo(value(to, [["blocks.0.attn.hook_z", { kind: "set", at: { head: 2 }, value: z }]]) - value(to), 3);
      expect(effects.at(1, 4)).toBeCloseTo(value(to, [["blocks.1.hook_mlp_out", { kind: "set", value: mlp }]]) - value(to), 3);
    }
    expect(found.top(1)[0]!.label).toMatch(/^L[01](H[0-3]| mlp)$/);
    expect(found.damage().at(0, 1)).toBeCloseTo(found.putIn.at(0, 1) / (found.quantized - found.full), 5);
    dense.dispose();
    ternary.dispose();
  });
  it("the last residual stream at the last position carries everything", async () => {
    const { dense, ternary } = await denseAndTernary();
    const found = await quantizationAttribution(dense, ternary, TOKENS, METRIC, { granularity: "resid" });
    expect(found.putIn.shape).toEqual([2, 6]);
    expect([found.damage().at(1, 5), found.repair().at(1, 5)].map((x) => x.toFixed(4))).toEqual(["1.0000", "1.0000"]);
    expect(found.putIn.at(1, 2)).toBeCloseTo(0, 5);
    dense.dispose();
    ternary.dispose();
  });
  it.each(["latent", "stored"] as const)("a packed model (%s) gives what its dense twin gives", async (kind) => {
    const { packed, twin } = kind === "latent" ? packedAndTwin(core, 2) : await storedAndTwin(core, 2);
    const dense = Model.fromConfig(TWIN_CONFIG, { core, seed: 8 });
    const [x, y] = [await quantizationAttribution(dense, packed, TOKENS, METRIC), await quantizationAttribution(dense, twin, TOKENS, METRIC)];
    const scale = Math.max(Math.abs(y.full), Math.abs(y.quantized));
    for (const side of ["putIn", "takenOut"] as const)
      y[side].data.forEach((value, i) => void expect(Math.abs(x[side].data[i]! - value) / scale).toBeLessThan(1e-5));
    const [m, n] = [await matrixAttribution(dense, packed, TOKENS, METRIC), await matrixAttribution(dense, twin, TOKENS, METRIC)];
    expect(m.names).toEqual(n.names);
    n.putIn.forEach((value, i) => void expect(Math.abs(m.putIn[i]! - value) / scale).toBeLessThan(1e-5));
    const [c, d] = [await compareAlgorithms(dense, packed, TOKENS), await compareAlgorithms(dense, twin, TOKENS)];
    expect(c.layers[1]!.cka.value).toBeCloseTo(d.layers[1]!.cka.value, 5);
    expect(c.layers[0]!.heads).toEqual({
      ...d.layers[0]!.heads,
      scores: expect.anything(),
      mean: expect.closeTo(d.layers[0]!.heads.mean, 5),
      inPlace: expect.closeTo(d.layers[0]!.heads.inPlace, 5),
    });
    for (const model of [packed, twin, dense]) model.dispose();
  });
  it("one matrix alone: the exchange is the whole difference", async () => {
    const { dense, ternary } = await denseAndTernary();
    const copy = Model.fromConfig(TWIN_CONFIG, { core });
    for (const name of copy.paramNames) copy.writeParam(name, dense.readParam(name).data);
    copy.writeParam("blocks.1.mlp.W_out", ternary.effectiveParam("blocks.1.mlp.W_out").data);
    const one = await matrixAttribution(dense, copy, TOKENS, METRIC);
    expect(one.names).toEqual(["blocks.1.mlp.W_out"]);
    expect(one.putIn[0]).toBeCloseTo(one.quantized - one.full, 5);
    expect(one.takenOut[0]).toBeCloseTo(one.full - one.quantized, 5);
    const all = await matrixAttribution(dense, ternary, TOKENS, METRIC);
    expect(all.names).toHaveLength(14);
    expect(all.putIn[all.names.indexOf("blocks.1.mlp.W_out")]).toBeCloseTo(one.putIn[0]!, 5);
    expect(all.asRun).toBeCloseTo(all.quantized, 4);
    expect(all.top(1)[0]!.name).toMatch(/W_/);
    for (const model of [copy, dense, ternary]) model.dispose();
  });
  it("says what is wrong, stops where it is told to, and leaves the models usable", async () => {
    const { dense, ternary } = await denseAndTernary();
    const wide = Model.fromConfig({ ...TWIN_CONFIG, dModel: 40 }, { core });
    expect(await rejected(quantizationAttribution(dense, wide, TOKENS, METRIC))).toBe("E_SHAPE");
    expect(await rejected(matrixAttribution(dense, wide, TOKENS, METRIC))).toBe("E_SHAPE");
    expect(await rejected(quantizationAttribution(dense, ternary, TOKENS, () => Number.NaN))).toBe("E_NONFINITE");
    await expect(
      quantizationAttribution(dense, ternary, TOKENS, () => {
        throw new Error("mine");
      }),
    ).rejects.toThrow("mine");
    expect(await rejected(quantizationAttribution(dense, ternary, TOKENS, METRIC, { granularity: "site" as "resid" }))).toBe("E_NAME");
    expect(await rejected(matrixAttribution(dense, ternary, TOKENS, METRIC, { names: ["blocks.0.mlp.W_on"] }))).toBe("E_NAME");
    const stopped = new AbortController();
    stopped.abort();
    const { signal } = stopped;
    for (const run of [quantizationAttribution, matrixAttribution])
      expect(await rejected(run(dense, ternary, TOKENS, METRIC, { signal }))).toBe("E_ABORTED");
    expect(await rejected(compareAlgorithms(dense, ternary, TOKENS, { signal }))).toBe("E_ABORTED");
    const partial = await quantizationAttribution(dense, ternary, TOKENS, METRIC, { signal, stopOnAbort: true });
    expect([partial.complete, partial.done < 20, partial.takenOut.data.some(Number.isNaN)]).toEqual([false, true, true]);
    expect(partial.top()).toHaveLength(0);
    const seen: number[] = [];
    expect((await quantizationAttribution(dense, ternary, TOKENS, METRIC, { onProgress: ({ done }) => void seen.push(done) })).complete).toBe(true);
    expect(seen.at(-1)).toBe(20);
    for (const model of [dense, ternary, wide]) model.dispose();
  });
});

describe("compareAlgorithms", () => {
  it("a model is like itself, and like itself with heads and neurons in another order", async () => {
    const model = Model.fromConfig(
      { nLayers: 2, dModel: 16, dHead: 4, nHeads: 4, dMlp: 12, nCtx: 8, dVocab: 13, actFn: "gelu_new" },
      { core, seed: 6 },
    );
    const tokens = Array.from({ length: 8 }, (_, b) => Array.from({ length: 8 }, (_, t) => (b * 5 + t * t + 3 * b * t) % 13));
    const same = await compareAlgorithms(model, model, tokens);
    expect([same.sameAnswer, same.samples]).toEqual([1, 64]);
    expect(same.kl).toBeCloseTo(0, 6);
    const [heads, neurons] = [
      [2, 0, 3, 1],
      [5, 2, 11, 0, 7, 1, 9, 3, 10, 4, 8, 6],
    ];
    const shuffled = Model.fromConfig(model.config!, { core });
    shuffled.loadStateDict(
      new Map(
        [...model.stateDict()].map(([name, t]) => {
          const pick = (axis: string, order: readonly number[]): [string, Tensor] => [name, reordered(t, axis, order)];
          if (/attn\.[Wb]_[QKVO]$/.test(name) && t.axes.includes("head")) return pick("head", heads);
          return t.axes.includes("d_mlp") ? pick("d_mlp", neurons) : [name, t];
        }),
      ),
    );
    const found = await compareAlgorithms(model, shuffled, tokens);
    for (const [layer, other] of [...same.layers.entries()].map(([i, l]) => [l, found.layers[i]!] as const)) {
      expect(layer.cka.value).toBeCloseTo(1, 5);
      expect(other.cka.value).toBeCloseTo(1, 5);
      expect(other.procrustes.value).toBeCloseTo(1, 4);
      expect(other.cka.null).toBeLessThan(0.6);
      expect([...layer.heads.partner]).toEqual([0, 1, 2, 3]);
      expect(heads.map((h) => other.heads.partner[h])).toEqual([0, 1, 2, 3]);
      expect(neurons.map((n) => other.neurons!.partner[n])).toEqual(neurons.map((_, i) => i));
      expect(other.neurons!.mean).toBeCloseTo(1, 4);
      expect(other.neurons!.inPlace).toBeLessThan(0.7);
      expect(other.neuronsNull!).toBeLessThan(0.9);
    }
    const few = await compareAlgorithms(model, shuffled, tokens, { neurons: 5, samples: 20 });
    expect([few.samples, few.layers[0]!.neuronIds![0].length]).toEqual([20, 5]);
    expect(await rejected(compareAlgorithms(model, Model.fromConfig({ ...model.config!, nLayers: 1 }, { core }), tokens))).toBe("E_SHAPE");
    expect(await rejected(compareAlgorithms(model, model, tokens, { samples: 1 }))).toBe("E_RANGE");
    expect(few.chart().kind).toBe("panels");
  });
});

/** An axis in another order: place i holds what stood at `order[i]`. */
function reordered(t: Tensor, axis: string, order: readonly number[]): Tensor {
  const k = t.axes.indexOf(axis);
  const inner = t.shape.slice(k + 1).reduce((n, d) => n * d, 1);
  const out = t.data.slice();
  for (let i = 0; i < out.length; i++) {
    const place = Math.floor(i / inner) % order.length;
    out[i] = t.data[i + (order[place]! - place) * inner]!;
  }
  return Tensor.from(out, t.shape, t.axes);
}
