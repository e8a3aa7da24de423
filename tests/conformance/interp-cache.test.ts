/** The cache's verbs on every kind of block: parts sum to what they are parts of, and say the same of a packed model and its twin. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ActivationCache,
  type Core,
  Model,
  memorySink,
  ResidualStack,
  serializeSafetensors,
  subtract,
  sumOver,
  Tensor,
  type TransformerOptions,
} from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

const small: TransformerOptions = { nLayers: 2, dModel: 24, dHead: 6, nHeads: 4, dMlp: 20, nCtx: 8, dVocab: 13 };
const KINDS: [string, TransformerOptions][] = [
  ["LN", small],
  ["LNPre", { ...small, normalization: "LNPre" }],
  ["no norm, gated", { ...small, normalization: "none", gatedMlp: true }],
  ["RMS, grouped, rotary, gated", { ...small, normalization: "RMS", nKeyValueHeads: 2, positions: "rotary", gatedMlp: true, actFn: "silu" }],
  ["RMSPre, parallel", { ...small, normalization: "RMSPre", parallelAttnMlp: true }],
  ["attention only, tied", { ...small, normalization: "RMSPre", attnOnly: true, tiedEmbeddings: true }],
  ["sub-norms, no biases", { ...small, normalization: "RMS", subNorm: true, attnBias: false, mlpBias: false, unembedBias: false }],
  ["ternary, int8, sub-norms", { ...small, normalization: "RMSPre", quantizer: "ternary", actQuant: "int8", subNorm: true }],
  ["ternary, int8, own norms, no sites", { ...small, quantizer: "ternary", actQuant: "int8", linearNorm: true, quantSites: false }],
  ["shortformer", { ...small, normalization: "LNPre", positions: "shortformer" }],
];
const tokens = [
  [1, 2, 3, 4, 5],
  [7, 0, 12, 4, 9],
];
let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

function modelOf(config: TransformerOptions): Model {
  const model = Model.fromConfig(config, { core, seed: 5 });
  const size = config.normalization === "none" ? 1.5 : 8;
  for (const name of model.paramNames) {
    const { data } = model.readParam(name);
    model.writeParam(
      name,
      data.map((x, i) => x * (name.includes("W_") ? size : 1) + (size / 40) * Math.sin(i + name.length)),
    );
  }
  return model;
}

const away = (a: Tensor, b: Tensor): number =>
  Math.max(...a.data.map((x, i) => Math.abs(x - (b.data[i] as number)))) / Math.max(...b.data.map(Math.abs), 1e-30);

describe.each(KINDS)("%s", (_, config) => {
  let model: Model;
  let cache: ActivationCache;
  let logits: Tensor;
  beforeAll(() => {
    model = modelOf(config);
    ({ cache, logits } = model.runWithCache(tokens));
  });
  const sum = (stack: ResidualStack): Tensor => sumOver(stack.tensor, "component");
  const mlps = !config.attnOnly;

  it("components of every decomposition sum to the stream", () => {
    for (const layer of [0, 1, 2]) {
      const stream = cache.get(layer === 2 ? "blocks.1.hook_resid_post" : `blocks.${layer}.hook_resid_pre`);
      expect(away(sum(cache.decomposeResid(layer)), stream)).toBeLessThan(1e-5);
      expect(away(sum(cache.stackHeadResults(layer, { inclRemainder: true })), stream)).toBeLessThan(1e-5);
      expect(away(sum(cache.getFullResidDecomposition(layer)), stream)).toBeLessThan(1e-5);
      expect(away(sum(cache.getFullResidDecomposition(layer, { expandNeurons: false })), stream)).toBeLessThan(1e-5);
      if (mlps) expect(away(sum(cache.stackNeuronResults(layer, { inclRemainder: true })), stream)).toBeLessThan(1e-5);
    }
    if (config.parallelAttnMlp || config.attnOnly) return;
    const mid = cache.get("blocks.1.hook_resid_mid");
    expect(away(sum(cache.decomposeResid(1, { mlpInput: true })), mid)).toBeLessThan(1e-5);
    expect(away(sum(cache.getFullResidDecomposition(1, { mlpInput: true })), mid)).toBeLessThan(1e-5);
  });

  it("neurons sum to their MLP without its bias, and the slices agree", () => {
    if (!mlps) {
      expect(codeOf(() => cache.getNeuronResults(0))).toBe("E_MODE");
      expect(codeOf(() => cache.stackNeuronResults())).toBe("E_MODE");
      return;
    }
    const all = cache.getNeuronResults(1);
    expect(all).toMatchObject({ shape: [2, 5, 20, 24], axes: ["batch", "pos", "neuron", "d_model"] });
    const out = cache.get("blocks.1.hook_mlp_out");
    const bias = model.paramNames.includes("blocks.1.mlp.b_out") ? model.readParam("blocks.1.mlp.b_out").data : new Float32Array(24);
    const whole = sumOver(all, "neuron");
    whole.data.forEach((x, i) => {
      whole.data[i] = x + (bias[i % 24] as number);
    });
    expect(away(whole, out)).toBeLessThan(1e-5);
    expect(cache.getNeuronResults(-1, { neuronSlice: [3, 5], posSlice: -1 }).data).toEqual(all.slice("pos", -1).slice("neuron", [3, 5]).data);
    const some = cache.stackNeuronResults(-1, { neuronSlice: 7 });
    expect(some.labels).toEqual(["L0N7", "L1N7"]);
    expect(some.at("L1N7").data).toEqual(all.slice("neuron", 7).data);
  });

  it("the norm of a stack is the norm of its sum", () => {
    const gains = config.normalization === undefined || config.normalization === "LN" || config.normalization === "RMS";
    const parts = cache.decomposeResid(-1, { applyLn: true });
    if (gains) return;
    if (config.normalization === "none") expect(parts.tensor.data).toEqual(cache.decomposeResid().tensor.data);
    else expect(away(sum(parts), cache.get("ln_final.hook_normalized"))).toBeLessThan(1e-5);
    const attrs = cache.logitAttrs(cache.decomposeResid(), { tokens: 4, incorrectTokens: 7 });
    const bias = model.readParam("unembed.b_U").data;
    const total = sumOver(attrs.tensor, "component");
    const expected = subtract(logits.slice("class", 4), logits.slice("class", 7));
    expected.data.forEach((x, i) => {
      expected.data[i] = x - (bias[4] as number) + (bias[7] as number);
    });
    expect(away(total, expected)).toBeLessThan(2e-5);
  });

  it("the last layer of the lens is the model", () => {
    const lens = cache.logitLens();
    expect(lens.labels).toEqual(["0_pre", "1_pre", "final_post"]);
    expect(away(lens.at("final_post"), logits)).toBeLessThan(1e-5);
    const some = cache.logitLens({ classes: [5, 2], posSlice: -1 });
    expect(away(some.at("1_pre").slice("class", 1), lens.at("1_pre").slice("pos", -1).slice("class", 2))).toBeLessThan(1e-5);
  });

  it("names and shapes are TransformerLens's", () => {
    expect(cache.stackHeadResults(1).labels).toEqual(["L0H0", "L0H1", "L0H2", "L0H3"]);
    expect(cache.stackActivation("z")).toMatchObject({ shape: [2, 2, 5, 4, 6], axes: ["layer", "batch", "pos", "head", "d_head"] });
    expect(cache.accumulatedResid(1).labels).toEqual(["0_pre", "1_pre"]);
    expect(cache.accumulatedResid(0, { posSlice: [1, 3] }).tensor.shape).toEqual([1, 2, 2, 24]);
    const names = cache.decomposeResid(1).labels.filter((x) => x !== "pos_embed");
    expect(names).toEqual(mlps ? ["embed", "0_attn_out", "0_mlp_out"] : ["embed", "0_attn_out"]);
  });
});

describe("slices", () => {
  it("by name, layer, position and example", () => {
    const { cache } = modelOf(small).runWithCache(tokens, { names: /./, loss: { targets: tokens.flat() }, inclGrad: true });
    expect(cache.slice({ names: "blocks.*.attn.hook_z" }).keys()).toEqual(
      ["blocks.0.attn.hook_z", "blocks.1.attn.hook_z"]
        .flatMap((n) => [n, `${n}_grad`])
        .sort((a, b) => cache.keys().indexOf(a) - cache.keys().indexOf(b)),
    );
    expect(
      cache
        .slice({ layer: 1 })
        .keys()
        .every((n) => n.startsWith("blocks.1.")),
    ).toBe(true);
    expect(cache.slice({ layer: -1 }).keys()).toEqual(cache.slice({ layer: [1, 2] }).keys());
    const part = cache.slice({ pos: [1, 3], batch: 1 });
    expect(part.get("blocks.0.attn.hook_pattern").shape).toEqual([4, 2, 5]);
    expect(part.get("blocks.0.hook_resid_pre").data).toEqual(cache.get("blocks.0.hook_resid_pre").slice("batch", 1).slice("pos", [1, 3]).data);
    const [cut, whole] = [part.stackHeadResults(), cache.stackHeadResults()];
    expect(cut.tensor.axes).toEqual(["component", "pos", "d_model"]);
    expect(away(cut.tensor, whole.tensor.slice("batch", 1).slice("pos", [1, 3]))).toBeLessThan(1e-6);
    const last = cache.slice({ pos: -1 });
    const attrs = last.logitAttrs(last.decomposeResid(), { tokens: [3, 4] });
    expect(attrs.tensor.axes).toEqual(["component", "batch"]);
    const same = cache.logitAttrs(cache.decomposeResid(), { tokens: [3, 4] }).tensor.slice("pos", -1);
    expect(away(attrs.tensor, same)).toBeLessThan(1e-6);
    expect(part.bytes).toBeLessThan(cache.bytes);
    expect(part.bytes).toBe(part.entries().reduce((n, [, t]) => n + 4 * t.size, 0));
  });

  it("while running", () => {
    const model = modelOf(small);
    const whole = model.runWithCache(tokens).cache;
    for (const hooks of [[], [["hook_embed", () => undefined] as const]]) {
      const { cache, logits } = model.runWithCache(tokens, { posSlice: -1, batchSlice: [0, 1], hooks });
      expect(cache.get("blocks.1.attn.hook_pattern").data).toEqual(whole.slice({ pos: -1, batch: [0, 1] }).get("blocks.1.attn.hook_pattern").data);
      expect(cache.get("hook_embed").shape).toEqual([1, 24]);
      expect(logits.shape).toEqual([2, 5, 13]);
    }
    expect(codeOf(() => model.runWithCache(tokens, { posSlice: 5 }))).toBe("E_RANGE");
  });

  it("without the batch axis", () => {
    const model = modelOf(small);
    const { cache } = model.runWithCache([[1, 2, 3]]);
    const one = cache.removeBatchDim();
    expect(one.get("blocks.0.attn.hook_z").axes).toEqual(["pos", "head", "d_head"]);
    expect(one.decomposeResid(-1, { applyLn: true }).tensor.axes).toEqual(["component", "pos", "d_model"]);
    one.computeHeadResults();
    expect(one.get("blocks.1.attn.hook_result").shape).toEqual([3, 4, 24]);
    expect(one.has("blocks.1.attn.hook_result")).toBe(true);
    expect(codeOf(() => model.runWithCache(tokens).cache.removeBatchDim())).toBe("E_SHAPE");
  });
});

describe("files", () => {
  const sinks = () => {
    const files = new Map<string, ReturnType<typeof memorySink>>();
    const target = (name: string) => files.set(name, memorySink()).get(name) as ReturnType<typeof memorySink>;
    return { target, list: () => [...files].map(([name, { bytes }]) => new File([bytes], name)) };
  };
  const folder = mkdtempSync(join(tmpdir(), "tritlens-cache-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(["safetensors", "npy"] as const)("%s comes back as it was, by path and in memory", async (format) => {
    const model = modelOf(small);
    const { cache } = model.runWithCache(tokens, { names: /./, loss: { targets: tokens.flat() }, inclGrad: true });
    const { target, list } = sinks();
    const path = join(folder, `run-${format}`);
    await cache.save(target, { format });
    await cache.save(path, { format });
    for (const input of [list().length === 1 ? (list()[0] as File) : list(), path]) {
      const back = await ActivationCache.load(input, { model });
      expect(back.keys()).toEqual(cache.keys());
      for (const [name, tensor] of cache.entries()) expect(back.get(name)).toMatchObject({ shape: tensor.shape, axes: tensor.axes });
      for (const [name, tensor] of cache.entries()) expect(back.get(name).data, name).toEqual(tensor.data);
      expect(back.stackHeadResults().tensor.data).toEqual(cache.stackHeadResults().tensor.data);
    }
    const alone = await ActivationCache.load(path);
    expect(alone.size).toBe(cache.size);
    expect(codeOf(() => alone.decomposeResid())).toBe("E_MODE");
  });

  it("other files and wrong ones are refused", async () => {
    const { cache } = modelOf(small).runWithCache(tokens, { names: ["hook_embed", "blocks.0.attn.hook_z"] });
    await expect(cache.save("x", { format: "npz" as "npy" })).rejects.toThrow(/E_NAME.*npy/);
    await expect(cache.save(join(folder, "no", "such", "x.safetensors"))).rejects.toThrow(/E_IO/);
    const { target, list } = sinks();
    await cache.save(target, { format: "npy" });
    const [embed, , index] = list() as [File, File, File];
    await expect(ActivationCache.load([embed, index])).rejects.toThrow(/E_FORMAT.*hook_z/);
    const json = (text: string) => ActivationCache.load([embed, new File([text], "cache.json")]);
    const list1 = (axes: string) => `{"version":1,"tensors":[["hook_embed",${axes}]]}`;
    expect((await json(list1('["a","b","c"]'))).get("hook_embed").axes).toEqual(["a", "b", "c"]);
    for (const text of [
      "no",
      "[]",
      "null",
      '{"version":2,"tensors":[]}',
      '{"version":1}',
      list1('["a"]'),
      list1("[1,2,3]"),
      '{"version":1,"tensors":[["../x",[]]]}',
      '{"version":1,"tensors":[["hook_embed",["a","b","c"]],["hook_embed",["a","b","c"]]]}',
    ])
      await expect(json(text), text).rejects.toThrow(/E_FORMAT/);
    const whole = new Uint8Array(await embed.arrayBuffer());
    const broken = (change: (bytes: Uint8Array) => Uint8Array) =>
      ActivationCache.load([
        new File([change(whole.slice()) as Uint8Array<ArrayBuffer>], "hook_embed.npy"),
        new File([list1('["a","b","c"]')], "cache.json"),
      ]);
    const written = (text: string) => (bytes: Uint8Array) => {
      bytes.set(new TextEncoder().encode(text), 10);
      return bytes;
    };
    for (const change of [
      (b: Uint8Array) => b.subarray(0, 5),
      (b: Uint8Array) => b.subarray(0, 60),
      (b: Uint8Array) => b.subarray(0, b.length - 1),
      written("{'descr': '|O8'"),
      written("{'descr': '<f8'"),
      written("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 5, 24), } "),
      written("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), } "),
      (b: Uint8Array) => b.with(6, 9),
      (b: Uint8Array) => b.with(9, 255),
    ])
      await expect(broken(change), String(change)).rejects.toThrow(/E_FORMAT/);
    const own = await ActivationCache.load(serializeSafetensors([["anything", Tensor.from(new Float32Array(6), [2, 3])]]));
    expect(own.get("anything").axes).toEqual(["axis0", "axis1"]);
  });
});

describe("packed models", () => {
  it("say what their dense twins say", async () => {
    for (const { packed, twin } of [packedAndTwin(core, 4), await storedAndTwin(core, 4)]) {
      const [a, b] = [packed.runWithCache(tokens).cache, twin.runWithCache(tokens).cache];
      const verbs: ((c: ActivationCache) => ResidualStack)[] = [
        (c) => c.accumulatedResid(-1, { inclMid: true, applyLn: true }),
        (c) => c.decomposeResid(1, { mlpInput: true, applyLn: true }),
        (c) => c.stackHeadResults(-1, { applyLn: true }),
        (c) => c.stackNeuronResults(1),
        (c) => c.getFullResidDecomposition(),
        (c) => c.logitAttrs(c.stackHeadResults(), { tokens: 2, incorrectTokens: 3 }),
        (c) => c.logitLens({ inclMid: true }),
      ];
      for (const verb of verbs) expect(away(verb(a).tensor, verb(b).tensor), String(verb)).toBeLessThan(1e-5);
    }
  });
});

describe("bad input", () => {
  it("is named", () => {
    const model = modelOf(small);
    const { cache } = model.runWithCache(tokens);
    const heads = cache.stackHeadResults();
    expect(codeOf(() => cache.decomposeResid(3))).toBe("E_RANGE");
    expect(codeOf(() => cache.decomposeResid(0.5))).toBe("E_RANGE");
    expect(codeOf(() => cache.accumulatedResid(-1, { posSlice: 5 }))).toBe("E_RANGE");
    expect(codeOf(() => cache.decomposeResid(1, { mode: "both" as "all" }))).toBe("E_NAME");
    expect(codeOf(() => cache.getNeuronResults(2))).toBe("E_RANGE");
    expect(codeOf(() => cache.getNeuronResults(0, { neuronSlice: [4, 21] }))).toBe("E_RANGE");
    expect(codeOf(() => cache.stackNeuronResults(-1, { budgetBytes: 1000 }))).toBe("E_MEMORY");
    expect(codeOf(() => cache.logitAttrs(heads, { tokens: 13 }))).toBe("E_RANGE");
    expect(codeOf(() => cache.logitAttrs(heads, { tokens: [1, 2, 3] }))).toBe("E_SHAPE");
    expect(codeOf(() => cache.logitAttrs(heads, { tokens: [1, 2], incorrectTokens: 4 }))).toBe("E_SHAPE");
    expect(codeOf(() => cache.logitAttrs(cache.stackHeadResults(-1, { posSlice: -1 }), { tokens: 1 }))).toBe("E_SHAPE");
    expect(codeOf(() => cache.logitLens({ classes: [13] }))).toBe("E_RANGE");
    expect(codeOf(() => heads.at("L0H9"))).toBe("E_NAME");
    expect(codeOf(() => cache.slice({ names: "nothing" }))).toBe("E_NAME");
    expect(codeOf(() => cache.slice({ layer: 2 }))).toBe("E_RANGE");
    expect(codeOf(() => cache.slice({ pos: [0, 9] }))).toBe("E_RANGE");
    expect(codeOf(() => cache.stackActivation("zz"))).toBe("E_NAME");
    const few = model.runWithCache(tokens, { names: "hook_embed" }).cache;
    expect(() => few.decomposeResid()).toThrow(/E_NAME.*hook_pos_embed/);
    expect(codeOf(() => new ActivationCache(new Map()).decomposeResid())).toBe("E_MODE");
    model.dispose();
    expect(codeOf(() => cache.stackHeadResults())).toBe("E_CLOSED");
    expect(cache.decomposeResid().tensor.shape).toEqual([6, 2, 5, 24]);
  });

  it("stacks print and draw", () => {
    const { cache } = modelOf(small).runWithCache(tokens);
    const parts = cache.decomposeResid();
    expect(String(parts)).toMatch(/component 6, batch 2, pos 5, d_model 24[\s\S]*1_mlp_out/);
    expect(parts.chart()).toMatchObject({ kind: "heatmap", y: { labels: parts.labels } });
    const attrs = cache.logitAttrs(cache.decomposeResid(-1, { posSlice: -1 }), { tokens: 1, posSlice: -1 });
    expect(attrs.chart()).toMatchObject({ kind: "bars" });
    expect(() => new ResidualStack(Tensor.from(new Float32Array(4), [2, 2]), ["a"])).toThrow(/E_SHAPE/);
  });
});
