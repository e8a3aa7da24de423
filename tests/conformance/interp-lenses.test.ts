/** Logit lens, tuned lens and direct logit attribution, against what the model itself says. */
import { type Core, convertModel, Model, type Tensor, type TransformerOptions, transformerConfig, transformerSpec } from "tritlens";
import { directLogitAttribution, type LensReading, logitLens, Readout, TunedLens, trainTunedLens } from "tritlens/interp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeOfAsync, relative } from "../support/planted.ts";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

const tokens = [
  [1, 2, 5, 7, 3],
  [3, 4, 0, 0, 9],
];
const SMALL: TransformerOptions = { nLayers: 2, dModel: 16, nHeads: 2, dHead: 8, dMlp: 24, nCtx: 8, dVocab: 13, actFn: "gelu_new" };
const INT8: Partial<TransformerOptions> = { quantizer: "ternary", actQuant: "int8", subNorm: true, normalization: "RMS" };
/** Architectures that read out in different ways. */
const ARCHITECTURES: [string, Partial<TransformerOptions>][] = [
  ["LN", {}],
  ["LNPre, parallel", { normalization: "LNPre", parallelAttnMlp: true, positions: "rotary" }],
  ["RMS, grouped keys, gated, tied", { normalization: "RMS", nHeads: 4, dHead: 4, nKeyValueHeads: 2, gatedMlp: true, tiedEmbeddings: true }],
  ["no norm, no biases", { normalization: "none", attnBias: false, mlpBias: false, unembedBias: false }],
  ["attention only, shortformer", { attnOnly: true, positions: "shortformer" }],
  ["int8 activations, sub-norms", INT8],
  ["int8 activations without their sites, norms of matrices", { ...INT8, quantSites: false, subNorm: false, linearNorm: true }],
  ["some matrices plain", { ...INT8, plainMatrices: ["blocks.0.attn.W_O", "blocks.1.mlp.W_out"] }],
];

/** A model whose biases and gains are not the trivial ones. */
function restless(change: Partial<TransformerOptions> = {}, seed = 0): Model {
  const model = Model.fromConfig({ ...SMALL, ...change }, { core, seed });
  for (const [i, name] of model.paramNames.entries()) {
    const old = model.readParam(name).data;
    const noise = new Float32Array(old.length);
    core.random(seed, 100 + i, 1, noise);
    model.writeParam(name, name.endsWith("W_U") || name.endsWith("W_E") ? noise.map((x) => x * 0.5) : old.map((x, j) => x + 0.2 * noise[j]));
  }
  return model;
}

/** log-softmax of each row. */
function logSoftmax(logits: Tensor): number[][] {
  const classes = logits.shape.at(-1) as number;
  return Array.from({ length: logits.size / classes }, (_, r) => {
    const row = Array.from(logits.data.subarray(r * classes, (r + 1) * classes));
    const lse = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
    return row.map((z) => z - lse);
  });
}

describe("the logit lens", () => {
  it.each(ARCHITECTURES)("says at the last layer what the model says: %s", async (_, change) => {
    using model = restless(change);
    const classes = Array.from({ length: 13 }, (_, c) => c);
    const lens = await logitLens(model, tokens, { track: classes, topK: 3 });
    const expected = logSoftmax(model.forward(tokens));
    expect(relative(lens.trackedLogProbs.slice("layer", -1).data, expected.flat())).toBeLessThan(1e-5);
    expect(lens.kl.slice("layer", -1).data.every((x) => x === 0)).toBe(true);
    for (const [r, row] of expected.entries()) {
      const order = [...row.keys()].sort((a, b) => row[b] - row[a]);
      expect(Array.from(lens.top.slice("layer", -1).data.subarray(r * 3, r * 3 + 3))).toEqual(order.slice(0, 3));
      expect(Array.from(lens.ranks.slice("layer", -1).data.subarray(r * 13, r * 13 + 13))).toEqual(classes.map((c) => order.indexOf(c)));
    }
  });

  it("gives entropy and divergence of every layer", async () => {
    using model = restless();
    const lens = await logitLens(model, tokens, { track: Array.from({ length: 13 }, (_, c) => c), inclMid: true });
    expect(lens.labels).toEqual(["0_pre", "0_mid", "1_pre", "1_mid", "final_post"]);
    const p = (layer: number, place: number): number[] =>
      Array.from(lens.trackedLogProbs.slice("layer", layer).data.subarray(place * 13, place * 13 + 13));
    for (const layer of [0, 2, 4])
      for (let place = 0; place < 10; place++) {
        const [here, end] = [p(layer, place), p(4, place)];
        expect(lens.entropy.slice("layer", layer).data[place]).toBeCloseTo(-here.reduce((sum, l) => sum + Math.exp(l) * l, 0), 5);
        expect(lens.kl.slice("layer", layer).data[place]).toBeCloseTo(
          end.reduce((sum, l, c) => sum + Math.exp(l) * (l - here[c]), 0),
          5,
        );
      }
  });

  it("does not depend on the pieces of the vocabulary", async () => {
    using model = restless();
    const whole = await logitLens(model, tokens);
    const calls: string[] = [];
    const pieces = await logitLens(model, tokens, { chunkBytes: 1, onProgress: ({ done, total }) => void calls.push(`${done}/${total}`) });
    expect(calls).toEqual(Array.from({ length: 13 }, (_, i) => `${i + 1}/13`));
    expect([...pieces.top.data]).toEqual([...whole.top.data]);
    expect([...pieces.ranks.data]).toEqual([...whole.ranks.data]);
    for (const key of ["topLogProbs", "entropy", "kl"] as const) expect(relative(pieces[key].data, whole[key].data)).toBeLessThan(1e-5);
  });

  it("follows the last layer's first choice when nothing is named, and shows hooks", async () => {
    using model = restless();
    const lens = await logitLens(model, tokens);
    expect([...lens.tracked.data]).toEqual([...lens.top.slice("layer", -1).slice("rank", 0).data]);
    expect(lens.ranks.slice("layer", -1).data.every((r) => r === 0)).toBe(true);
    const hooked = await logitLens(model, tokens, { hooks: [["blocks.1.hook_attn_out", { kind: "zero" }]] });
    expect([...hooked.topLogProbs.slice("layer", 1).data]).toEqual([...lens.topLogProbs.slice("layer", 1).data]);
    expect([...hooked.topLogProbs.slice("layer", 2).data]).not.toEqual([...lens.topLogProbs.slice("layer", 2).data]);
  });

  it("draws a grid of tokens and the places of one", async () => {
    using model = restless();
    const lens = await logitLens(model, tokens);
    const grid = lens.grid(1);
    expect(grid.x.labels).toEqual(["3", "4", "0", "0", "9"]);
    expect(grid.text).toHaveLength(15);
    expect(grid.text?.[10]).toBe(String(lens.top.at(2, 1, 0, 0)));
    expect(Math.exp(lens.topLogProbs.at(2, 1, 0, 0))).toBeCloseTo(grid.values[10], 6);
    expect(lens.trajectory({ example: 1, pos: -1 }).series[0].values).toHaveLength(3);
    expect(lens.svg()).toContain("<svg");
    expect(() => lens.grid(2)).toThrow(/E_RANGE/);
  });

  it("reads a model whose read-out is the last position", async () => {
    using model = restless({ readout: "last", normalization: "none" });
    const lens = await logitLens(model, tokens, { track: Array.from({ length: 13 }, (_, c) => c) });
    expect(relative(lens.trackedLogProbs.slice("layer", -1).slice("pos", -1).data, logSoftmax(model.forward(tokens)).flat())).toBeLessThan(1e-5);
  });

  it("refuses what cannot be, and leaves the model usable", async () => {
    using model = restless({ attnOnly: true });
    expect(await codeOfAsync(logitLens(model, tokens, { topK: 0 }))).toBe("E_RANGE");
    expect(await codeOfAsync(logitLens(model, tokens, { chunkBytes: Number.NaN }))).toBe("E_RANGE");
    expect(await codeOfAsync(logitLens(model, tokens, { track: 13 }))).toBe("E_RANGE");
    expect(await codeOfAsync(logitLens(model, tokens, { track: [] }))).toBe("E_SHAPE");
    expect(await codeOfAsync(logitLens(model, tokens, { inclMid: true }))).toBe("E_MODE");
    expect(await codeOfAsync(logitLens(model, [[99]]))).toBe("E_RANGE");
    expect(await codeOfAsync(logitLens(model, tokens, { signal: AbortSignal.abort() }))).toBe("E_ABORTED");
    await expect(
      logitLens(model, tokens, {
        onProgress: () => {
          throw new Error("mine");
        },
      }),
    ).rejects.toThrow("mine");
    const controller = new AbortController();
    let done = 0;
    const onProgress = (): void => {
      done++;
      controller.abort();
    };
    expect(await codeOfAsync(logitLens(model, tokens, { chunkBytes: 1, signal: controller.signal, onProgress }))).toBe("E_ABORTED");
    expect(done).toBe(1);
    using bare = Model.fromSpec(model.spec, { core });
    expect(await codeOfAsync(logitLens(bare, tokens))).toBe("E_MODE");
    const before = model.readParam("ln_final.b").data;
    model.writeParam(
      "ln_final.b",
      before.map(() => Number.NaN),
    );
    expect(await codeOfAsync(logitLens(model, tokens))).toBe("E_NONFINITE");
    model.writeParam("ln_final.b", before);
    expect((await logitLens(model, tokens)).labels).toHaveLength(3);
  });
});

describe("the read-out", () => {
  it.each(ARCHITECTURES)("has the gradient of its norm: %s", (_, change) => {
    using model = restless(change);
    const readout = new Readout(model);
    const d = readout.width;
    const [x, g] = [new Float32Array(2 * d), new Float32Array(2 * d)];
    core.random(1, 1, 1, x);
    core.random(1, 2, 1, g);
    const value = (at: Float32Array): number => readout.normalize(at).reduce((sum, y, j) => sum + y * g[j], 0);
    const grad = readout.normalizeBack(x, g);
    for (const j of [0, 5, d + 3]) {
      const step = (h: number): number => value(x.map((v, i) => (i === j ? v + h : v)));
      expect(grad[j]).toBeCloseTo((step(1e-2) - step(-1e-2)) / 2e-2, 2);
    }
  });
});

describe("the tuned lens", () => {
  let model: Model;
  let lens: TunedLens;
  const texts = (): number[][] => {
    const draws = new Float32Array(64 * 6);
    core.random(5, 0, 0, draws);
    return Array.from({ length: 64 }, (_, b) => Array.from(draws.subarray(b * 6, b * 6 + 6), (u) => Math.floor(u * 13)));
  };
  beforeAll(async () => {
    model = restless({}, 3);
    lens = await trainTunedLens(model, texts(), { steps: 150, lr: 3e-3 });
  });
  afterAll(() => model.dispose());

  it("comes closer to the final answer than the logit lens, on texts it has not seen", async () => {
    for (const l of [0, 1]) expect(lens.quality.tunedLens.at(l)).toBeLessThan(0.6 * lens.quality.logitLens.at(l));
    const mean = (reading: LensReading): number => reading.kl.slice("layer", 1).data.reduce((sum, x) => sum + x, 0);
    expect(mean(await lens.read(model, tokens))).toBeLessThan(mean(await logitLens(model, tokens)));
  });

  it("descends: steps down the divergence beat the regression alone", async () => {
    const regression = await trainTunedLens(model, texts(), { steps: 0 });
    expect(lens.quality.tunedLens.at(0)).toBeLessThan(regression.quality.tunedLens.at(0));
  });

  it("leaves the last layer as it is, and is the same after saving", async () => {
    const [reading, plain] = [await lens.read(model, tokens), await logitLens(model, tokens)];
    expect([...reading.topLogProbs.slice("layer", -1).data]).toEqual([...plain.topLogProbs.slice("layer", -1).data]);
    const again = await TunedLens.load(lens.save()).read(model, tokens);
    expect([...again.topLogProbs.data]).toEqual([...reading.topLogProbs.data]);
    expect(lens.chart().series.map(({ name }) => name)).toEqual(["logit lens", "tuned lens"]);
  });

  it("is the same for the same seed", async () => {
    const options = { steps: 5, seed: 4 };
    const [a, b] = [await trainTunedLens(model, texts(), options), await trainTunedLens(model, texts(), options)];
    expect([...a.weight.data]).toEqual([...b.weight.data]);
  });

  it("refuses what cannot be", async () => {
    await expect(trainTunedLens(model, tokens)).rejects.toThrow(/E_RANGE.*8 examples/);
    await expect(trainTunedLens(model, texts(), { holdout: 1 })).rejects.toThrow(/E_RANGE/);
    await expect(trainTunedLens(model, texts(), { steps: 1.5 })).rejects.toThrow(/E_RANGE/);
    await expect(trainTunedLens(model, texts(), { lr: -1 })).rejects.toThrow(/E_RANGE/);
    await expect(trainTunedLens(model, texts(), { l2: -1 })).rejects.toThrow(/E_RANGE/);
    await expect(trainTunedLens(model, texts(), { signal: AbortSignal.abort() })).rejects.toThrow(/E_ABORTED/);
    using other = restless({ nLayers: 3 });
    await expect(lens.read(other, tokens)).rejects.toThrow(/E_SHAPE/);
    expect(() => TunedLens.load(new Uint8Array(3))).toThrow(/E_FORMAT/);
    const file = lens.save();
    file[file.indexOf("t".charCodeAt(0), 60)] ^= 1;
    expect(() => TunedLens.load(file)).toThrow(/E_FORMAT/);
  });
});

describe("direct logit attribution", () => {
  const ANSWERS = { answers: [5, 6], foils: 2 };
  it.each(ARCHITECTURES)("adds up to the difference of the logits: %s", (_, change) => {
    using model = restless(change);
    const logits = model.forward(tokens);
    const expected = [logits.at(0, -1, 5) - logits.at(0, -1, 2), logits.at(1, -1, 6) - logits.at(1, -1, 2)];
    for (const by of ["layer", "head", ...(change.attnOnly ? [] : ["neuron" as const])] as const) {
      const found = directLogitAttribution(model, tokens, { ...ANSWERS, by });
      const sums = [0, 1].map((b) => found.values.slice("batch", b).data.reduce((sum, x) => sum + x, 0));
      expect(relative(sums, expected), by).toBeLessThan(1e-5);
      expect(relative(found.total.data, expected), by).toBeLessThan(1e-5);
      expect(found.values.shape).toEqual([found.labels.length, 2]);
      expect(new Set(found.labels).size).toBe(found.labels.length);
    }
  });

  it("splits a block's attention into heads and its MLP into neurons", () => {
    using model = restless({ attnOutBias: false, mlpBias: false });
    const of = (by: "layer" | "head" | "neuron"): Map<string, number> => {
      const { labels, values } = directLogitAttribution(model, tokens, { ...ANSWERS, by });
      return new Map(labels.map((label, i) => [label, values.at(i, 1)]));
    };
    const [layers, heads, neurons] = [of("layer"), of("head"), of("neuron")];
    expect((heads.get("L1H0") ?? 0) + (heads.get("L1H1") ?? 0)).toBeCloseTo(layers.get("1_attn_out") ?? Number.NaN, 5);
    const sum = [...neurons].filter(([label]) => label.startsWith("L0N")).reduce((s, [, x]) => s + x, 0);
    expect(sum).toBeCloseTo(layers.get("0_mlp_out") ?? Number.NaN, 5);
    expect([...layers.keys()]).toEqual(["embed", "pos_embed", "0_attn_out", "0_mlp_out", "1_attn_out", "1_mlp_out", "bias"]);
  });

  it("covers all positions, and a logit alone", () => {
    using model = restless();
    const logits = model.forward(tokens);
    const found = directLogitAttribution(model, tokens, { answers: 4, pos: "all" });
    expect(found.values.shape).toEqual([7, 2, 5]);
    const expected = [0, 1].flatMap((b) => [0, 1, 2, 3, 4].map((t) => logits.at(b, t, 4)));
    expect(relative(found.total.data, expected)).toBeLessThan(1e-5);
  });

  it("folds the norm into the direction: the same shares, another vector", () => {
    using model = restless({ normalization: "LNPre" });
    const [live, folded] = (["live", "folded"] as const).map((norm) => directLogitAttribution(model, tokens, { ...ANSWERS, norm }));
    expect([...folded.values.data]).toEqual([...live.values.data]);
    expect(live.direction.at(1, 3)).toBeCloseTo(model.W_U.at(3, 6) - model.W_U.at(3, 2), 6);
    // Without a gain, folding is centring.
    expect(folded.direction.slice("batch", 0).data.reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 5);
  });

  it("will not fold a norm into codes", () => {
    const config = transformerConfig(SMALL);
    const spec = transformerSpec(config);
    const params = spec.params.map((p) => (p.name === "unembed.W_U" ? { ...p, quant: "ternary" as const } : p));
    using model = Model.fromSpec({ ...spec, params }, { core, config });
    expect(codeOf(() => directLogitAttribution(model, tokens, { ...ANSWERS, norm: "folded" }))).toBe("E_MODE");
    const logits = model.forward(tokens);
    const { total } = directLogitAttribution(model, tokens, ANSWERS);
    expect(total.at(0)).toBeCloseTo(logits.at(0, -1, 5) - logits.at(0, -1, 2), 5);
  });

  it("refuses what cannot be", () => {
    using model = restless({ attnOnly: true });
    const code = (options: Partial<Parameters<typeof directLogitAttribution>[2]>): string =>
      codeOf(() => directLogitAttribution(model, tokens, { ...ANSWERS, ...options }));
    expect(code({ answers: [1, 2, 3] })).toBe("E_SHAPE");
    expect(code({ foils: [] })).toBe("E_SHAPE");
    expect(code({ answers: 13 })).toBe("E_RANGE");
    expect(code({ answers: Number.NaN })).toBe("E_RANGE");
    expect(code({ pos: 5 })).toBe("E_RANGE");
    expect(code({ by: "neuron" })).toBe("E_MODE");
    using bare = Model.fromSpec(model.spec, { core });
    expect(codeOf(() => directLogitAttribution(bare, tokens, ANSWERS))).toBe("E_MODE");
    expect(model.forward(tokens).size).toBe(130);
  });
});

describe("a packed model with int8 activations and sub-norms", () => {
  it("ends its lens with its logits, and its parts add up", async () => {
    const latent = Model.fromConfig({ ...SMALL, ...INT8, dVocab: 19 }, { core, seed: 3 });
    const { model: packed } = await convertModel(latent, { format: "ternary", tokens: null });
    latent.dispose();
    expect(packed.packed("blocks.0.attn.W_O").format).toMatch(/^ternary/);
    const logits = packed.forward(tokens);
    const lens = await logitLens(packed, tokens, { track: Array.from({ length: 19 }, (_, c) => c) });
    expect(relative(lens.trackedLogProbs.slice("layer", -1).data, logSoftmax(logits).flat())).toBeLessThan(1e-5);
    const expected = [0, 1].map((b) => logits.at(b, -1, 3) - logits.at(b, -1, 4));
    for (const by of ["layer", "head", "neuron"] as const) {
      const { values } = directLogitAttribution(packed, tokens, { answers: 3, foils: 4, by });
      const sums = [0, 1].map((b) => values.slice("batch", b).data.reduce((sum, x) => sum + x, 0));
      expect(relative(sums, expected), by).toBeLessThan(1e-5);
    }
    packed.dispose();
  });
});

describe("twins", () => {
  it.each(["latent", "stored"])("agree: %s ternary weights and their dense copy", async (kind) => {
    const { packed, twin } = kind === "latent" ? packedAndTwin(core, 1) : await storedAndTwin(core, 1);
    const [a, b] = [await logitLens(packed, tokens), await logitLens(twin, tokens)];
    for (const key of ["topLogProbs", "entropy", "kl", "trackedLogProbs"] as const)
      expect(relative(a[key].data, b[key].data), key).toBeLessThan(1e-5);
    expect([...a.ranks.data]).toEqual([...b.ranks.data]);
    for (const by of ["layer", "head", "neuron"] as const) {
      const [x, y] = [packed, twin].map((model) => directLogitAttribution(model, tokens, { answers: 3, foils: 4, by, pos: "all" }));
      expect(relative(x.values.data, y.values.data), by).toBeLessThan(1e-5);
    }
    const texts = Array.from({ length: 12 }, (_, i) => [i, (i * 5) % 19, (i * 7) % 19, 3]);
    const [l, m] = [await trainTunedLens(packed, texts, { steps: 3 }), await trainTunedLens(twin, texts, { steps: 3 })];
    expect(relative(l.quality.tunedLens.data, m.quality.tunedLens.data)).toBeLessThan(1e-5);
    packed.dispose();
    twin.dispose();
  });
});
