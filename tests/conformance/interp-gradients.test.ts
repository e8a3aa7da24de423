/** EAP-IG, AtP* and what gradient methods refuse. */
import { type Core, Model, type TransformerOptions, transpose, type Variant } from "tritlens";
import {
  addEdgeScores,
  atpStar,
  attributionPatch,
  eap,
  eapIg,
  exactEdgeScores,
  logitDiff,
  metricRun,
  metricValue,
  modelGraph,
  otherCache,
  receiverSites,
  senderSites,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { difference } from "../golden/support.ts";
import { codeOf, coreUnderTest } from "./support.ts";

const small: TransformerOptions = { nLayers: 2, dModel: 12, nHeads: 4, dHead: 4, dMlp: 20, nCtx: 6, dVocab: 11, actFn: "gelu", init: "li" };
const clean = [
  [1, 2, 3, 4, 5],
  [6, 7, 8, 9, 10],
];
const corrupted = [
  [1, 2, 9, 4, 5],
  [6, 7, 1, 9, 10],
];
const metric = logitDiff([3, 4], [5, 6]);

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});
const modelOf = (options: Partial<TransformerOptions> = {}): Model => Model.fromConfig({ ...small, ...options }, { core, seed: 3 });

/** The error code of what a promise rejects with. */
const codeOfAsync = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  return codeOf(() => {
    if (error) throw error;
  });
};

describe("eapIg", () => {
  it.each(["inputs", "activations"] as const)("is EAP with one step (%s)", async (variant) => {
    const model = modelOf();
    const one = await eapIg(model, clean, corrupted, metric, { variant, steps: 1 });
    expect(difference(one.scores.data, eap(model, clean, corrupted, metric).scores.data)).toBeLessThan(1e-5);
    model.dispose();
  });
  it("splits the whole difference of the prompts among the edges of the input", async () => {
    const model = modelOf();
    const graph = modelGraph(model);
    const scores = await eapIg(model, clean, corrupted, metric, { steps: 200 });
    const sum = graph.edges.reduce((s, e, i) => s + (e.sender === 0 ? scores.scores.at(i) : 0), 0);
    const [a, b] = [clean, corrupted].map((tokens) => metricRun(model, tokens, metric, { names: "hook_embed" }).value) as [number, number];
    expect(Math.abs(sum - (b - a))).toBeLessThan(0.02 * Math.abs(b - a));
    model.dispose();
  });
  it("with activations is exact where one edge leaves a sender", async () => {
    const model = modelOf();
    const id = "m1->logits";
    const exact = (await exactEdgeScores(model, clean, corrupted, metric, { edges: [id] })).get(id);
    const found = (await eapIg(model, clean, corrupted, metric, { variant: "activations", steps: 100 })).get(id);
    expect(Math.abs(found - exact)).toBeLessThan(0.01 * Math.abs(exact));
    model.dispose();
  });
});

describe("atpStar", () => {
  // Every token differs, the last one included: only its query matters to the metric.
  const [from, to] = [[[1, 2, 3, 4, 5]], [[6, 9, 8, 1, 10]]];
  const one = logitDiff(3, 5);

  /** Exact effect of patching one query or key at one position. */
  async function patched(model: Model, kind: "q" | "k", heads: number): Promise<Float32Array> {
    const site = `blocks.0.attn.hook_${kind}`;
    const value = model.runWithCache(from, { names: site }).cache.get(site);
    const places = Array.from({ length: heads * 5 }, (_, i) => ({ head: Math.floor(i / 5), pos: i % 5 }));
    const variants = places.map((at): Variant => ({ edits: [[site, { kind: "patch", value, at }]] }));
    const out: number[] = [];
    for await (const { logits } of model.sweep(to, variants, one.reads)) out.push(metricValue(one, logits));
    return Float32Array.from(out.slice(1), (x) => x - (out[0] as number));
  }

  const linear = { nLayers: 1, attnOnly: true, normalization: "none" } as const;
  it.each([
    ["plain heads", {}],
    ["rotary, QK norm, grouped keys", { positions: "rotary", qkNorm: true, nKeyValueHeads: 2 }],
  ] as const)("is exact behind linear maps, where attribution patching is not: %s", async (_, options) => {
    // A small divisor makes the softmax steep.
    const model = modelOf({ ...linear, ...options, attnScale: 0.1 });
    const scores = await atpStar(model, from, to, one);
    const plain = await atpStar(model, from, to, one, { qkFix: false });
    for (const [kind, heads] of [
      ["q", 4],
      ["k", model.config?.nKeyValueHeads ?? 4],
    ] as const) {
      const exact = await patched(model, kind, heads);
      expect(difference(scores.get(kind).data, exact)).toBeLessThan(1e-4);
      expect(difference(plain.get(kind).data, exact)).toBeGreaterThan(0.1);
    }
    model.dispose();
  });

  it("without its corrections is attribution patching", async () => {
    const model = modelOf();
    const plain = await atpStar(model, clean, corrupted, metric, { qkFix: false, gradDrop: false });
    const nodes = attributionPatch(model, clean, corrupted, metric);
    for (const kind of ["q", "k", "v", "z"] as const) {
      const sums = transpose(nodes.summed(`attn.hook_${kind}`, ["head", "pos"]), ["layer", "head", "pos"]);
      expect(difference(plain.get(kind).data, sums.data)).toBeLessThan(1e-5);
    }
    expect(difference(plain.get("mlp").data, nodes.summed("hook_mlp_out", ["pos"]).data)).toBeLessThan(1e-5);
    model.dispose();
  });

  it("drops one block's gradient at a time", async () => {
    const model = modelOf();
    const scores = await atpStar(model, clean, corrupted, metric, { qkFix: false });
    const held = ["blocks.1.hook_attn_out", "blocks.1.hook_mlp_out"];
    const { cache } = model.runWithCache(corrupted, { names: held });
    // With its outputs held at what they are anyway, nothing flows back through block 1. Block 0's nodes count in that pass only.
    const hooks = held.map((name) => [name, { kind: "set", value: cache.get(name) }] as const);
    const names = ["blocks.0.hook_mlp_out"];
    const run = metricRun(model, corrupted, metric, { names, hooks });
    const other = model.runWithCache(clean, { names }).cache;
    const expected = new Float32Array(5);
    const [x, y, g] = [other.get("blocks.0.hook_mlp_out"), run.cache.get("blocks.0.hook_mlp_out"), run.cache.get("blocks.0.hook_mlp_out_grad")];
    for (const [i, v] of x.data.entries()) {
      const pos = Math.floor(i / 12) % 5;
      expected[pos] = (expected[pos] as number) + (v - (y.data[i] as number)) * (g.data[i] as number);
    }
    expect(difference(scores.get("mlp").slice("layer", 0).data, expected.map(Math.abs))).toBeLessThan(1e-5);
    model.dispose();
  });
});

describe("bad input", () => {
  it("is refused by type, and the model stays usable", async () => {
    const model = modelOf();
    const call = (tokens: number[][], m: Parameters<typeof eap>[3]) => codeOf(() => eap(model, clean, tokens, m));
    expect(call([[1, 2, 3]], metric)).toBe("E_SHAPE");
    expect(codeOf(() => attributionPatch(model, clean, [[1, 2, 3]], metric))).toBe("E_SHAPE");
    expect(call(corrupted, (logits) => logits.at(0, 0, 0))).toBe("E_MODE");
    expect(call(corrupted, { ...metric, value: () => Number.NaN })).toBe("E_NONFINITE");
    expect(call(corrupted, { ...metric, grad: () => new Float32Array(3) })).toBe("E_SHAPE");
    expect(call(corrupted, { ...metric, grad: (logits) => new Float32Array(logits.size).fill(Number.NaN) })).toBe("E_NONFINITE");
    expect(() =>
      eap(model, clean, corrupted, {
        ...metric,
        value: () => {
          throw new RangeError("mine");
        },
      }),
    ).toThrow(/mine/);
    expect(codeOf(() => attributionPatch(model, clean, corrupted, metric, { names: "blocks.9.hook_z" }))).toBe("E_NAME");
    expect(codeOf(() => attributionPatch(model, clean, corrupted, metric).get("blocks.0.hook_zz"))).toBe("E_NAME");
    expect(await codeOfAsync(eapIg(model, clean, corrupted, metric, { steps: 0 }))).toBe("E_RANGE");
    expect(await codeOfAsync(eapIg(model, clean, corrupted, metric, { signal: AbortSignal.abort() }))).toBe("E_ABORTED");
    expect(await codeOfAsync(atpStar(model, clean, corrupted, metric, { signal: AbortSignal.abort() }))).toBe("E_ABORTED");
    expect(await codeOfAsync(exactEdgeScores(model, clean, corrupted, metric, { edges: ["a0.h0->m7"] }))).toBe("E_NAME");
    expect(await codeOfAsync(exactEdgeScores(model, clean, corrupted, metric, { budgetBytes: 1000 }))).toBe("E_MEMORY");
    expect(eap(model, clean, corrupted, metric).scores.size).toBe(modelGraph(model).edges.length);
    model.dispose();
  });
  it("methods that do not apply say so", async () => {
    const one = modelOf({ nLayers: 1, attnOnly: true });
    expect(await codeOfAsync(atpStar(one, clean, corrupted, metric, { gradDrop: true }))).toBe("E_MODE");
    expect(codeOf(() => modelGraph(one).node("m0"))).toBe("E_NAME");
    const bare = Model.fromSpec(one.spec, { core });
    expect(codeOf(() => modelGraph(bare))).toBe("E_SPEC");
    for (const model of [one, bare]) model.dispose();
  });
  it("an aborted exact sweep returns what is done", async () => {
    const model = modelOf();
    const control = new AbortController();
    const stop = { signal: control.signal, stopOnAbort: true, onProgress: () => control.abort() };
    const partial = await exactEdgeScores(model, clean, corrupted, metric, stop);
    const known = partial.top().length;
    expect(partial.complete).toBe(false);
    expect(known).toBeGreaterThan(0);
    expect(known).toBeLessThan(partial.scores.size);
    expect(await codeOfAsync(exactEdgeScores(model, clean, corrupted, metric, { signal: AbortSignal.abort() }))).toBe("E_ABORTED");
    model.dispose();
  });
});

it("examples go through in parts, with the same scores", () => {
  const model = modelOf();
  const graph = modelGraph(model);
  const { cache } = metricRun(model, clean, metric, { names: [...senderSites(model, graph), ...receiverSites(graph)] });
  const runs = { gradients: cache, base: cache, other: otherCache(model, graph, corrupted) };
  const scores = new Float32Array(graph.edges.length);
  addEdgeScores(model, graph, runs, scores, { examples: 1 });
  expect(difference(scores, eap(model, clean, corrupted, metric).scores.data)).toBeLessThan(1e-5);
  model.dispose();
});

it("results draw themselves and print", async () => {
  const model = modelOf();
  const scores = eap(model, clean, corrupted, metric);
  const exact = await exactEdgeScores(model, clean, corrupted, metric);
  const labels = ["In", "two", "years", "<b>", "end"];
  const nodes = attributionPatch(model, clean, corrupted, metric, { labels });
  const few = attributionPatch(model, clean, corrupted, metric, { names: ["hook_embed", "blocks.*.attn.hook_attn_scores"] });
  const star = await atpStar(model, clean, corrupted, metric, { labels });
  for (const result of [scores, exact, scores.compare(exact), nodes, few, star]) {
    expect(result.svg()).toMatch(/^<svg/);
    expect(String(result).length).toBeGreaterThan(20);
  }
  expect(nodes.svg()).toContain("years");
  expect(String(scores.compare(exact))).toMatch(/rank correlation 0\.[5-9]/);
  // Masked scores of attention are -inf in both runs: no difference, no score.
  expect(few.get("blocks.0.attn.hook_attn_scores").data.every(Number.isFinite)).toBe(true);
  model.dispose();
});
