/** The edge graph's activations, gradients and patches, on every kind of block. */
import { type Core, Model, mapTensor, type Tensor, type TransformerOptions, type Variant } from "tritlens";
import {
  eap,
  edgeEdits,
  exactEdgeScores,
  logitDiff,
  metricRun,
  metricValue,
  modelGraph,
  otherCache,
  type Receiver,
  receiverGradients,
  receiverSites,
  senderOutputs,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { difference } from "../golden/support.ts";
import { coreUnderTest } from "./support.ts";

const small: TransformerOptions = { nLayers: 2, dModel: 12, nHeads: 4, dHead: 3, dMlp: 20, nCtx: 6, dVocab: 11, actFn: "gelu", init: "li" };
const rotary: Partial<TransformerOptions> = { dHead: 4, positions: "rotary", rotaryDim: 4, normalization: "RMS", gatedMlp: true, actFn: "silu" };
const KINDS: Record<string, Partial<TransformerOptions>> = {
  "layer norm": {},
  "RMS norm, rotary, grouped keys and values, QK norm": { ...rotary, nKeyValueHeads: 2, qkNorm: true },
  "no norm, attention only": { normalization: "none", attnOnly: true },
  "parallel attention and MLP": { parallelAttnMlp: true, normalization: "LNPre" },
  "norm split for q, k, v; shortformer": { splitNorm: true, positions: "shortformer", normalization: "RMSPre" },
  "ternary with sub-norms": { ...rotary, quantizer: "ternary", subNorm: true },
  "ternary with a norm in every matrix": { ...rotary, quantizer: "ternary", linearNorm: true },
};
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

const modelOf = (options: Partial<TransformerOptions>): Model => {
  const model = Model.fromConfig({ ...small, ...options }, { core, seed: 3 });
  // Gains and biases of their own, so that none of them can be forgotten unnoticed.
  for (const [i, name] of model.paramNames.filter((n) => /\.(w|b|b_\w+)$/.test(n)).entries()) {
    const p = model.readParam(name).data;
    model.writeParam(
      name,
      p.map((x, k) => x + 0.2 * Math.sin(3 * k + i)),
    );
  }
  return model;
};

const total = (a: Float32Array, n: number): Float32Array => {
  const out = new Float32Array(n);
  for (const [i, x] of a.entries()) out[i % n] = (out[i % n] as number) + x;
  return out;
};
const minus = (a: Tensor, b: Tensor): Float32Array => a.data.map((x, i) => x - (b.data[i] as number));

describe.each(
  Object.entries({
    ...KINDS,
    "int8 activations": { ...rotary, quantizer: "ternary", actQuant: "int8", subNorm: true },
    "int8 activations without sites inside": { quantizer: "ternary", actQuant: "int8", quantSites: false },
  } as typeof KINDS),
)("%s", (_, options) => {
  it("senders add up to the residual stream", () => {
    const model = modelOf(options);
    const graph = modelGraph(model);
    const last = `blocks.1.hook_resid_post`;
    const delta = senderOutputs(model, graph, otherCache(model, graph, corrupted), otherCache(model, graph, clean));
    const [a, b] = [corrupted, clean].map((tokens) => model.runWithCache(tokens, { names: last }).cache.get(last)) as [Tensor, Tensor];
    expect(difference(total(delta.data, a.size), minus(a, b))).toBeLessThan(1e-5);
    model.dispose();
  });

  it("gradients of a block's receivers add up to the gradient that the block adds", () => {
    const model = modelOf(options);
    const graph = modelGraph(model);
    const { cache } = metricRun(model, clean, metric, { names: receiverSites(graph) });
    for (let layer = 0; layer < 2; layer++) {
      const before = cache.get(`blocks.${layer}.hook_resid_pre_grad`);
      const sum = new Float32Array(before.size);
      for (const { first, count, data } of receiverGradients(model, graph, cache))
        if (graph.receivers[first]?.layer === layer)
          for (const [i, x] of total(data.subarray(0, count * sum.length), sum.length).entries()) sum[i] = (sum[i] as number) + x;
      expect(difference(sum, minus(before, cache.get(`blocks.${layer}.hook_resid_post_grad`)))).toBeLessThan(2e-5);
    }
    model.dispose();
  });
});

describe.each(Object.entries(KINDS))("%s", (_, options) => {
  it("gradients of receivers are those of the activations that hold their inputs", () => {
    const model = modelOf(options);
    const graph = modelGraph(model);
    const holders = [...new Set(graph.receivers.map((r) => r.hook))];
    const { cache } = metricRun(model, clean, metric, { names: [...receiverSites(graph), ...holders] });
    for (const { first, count, data } of receiverGradients(model, graph, cache))
      for (const [i, { hook, head }] of graph.receivers.slice(first, first + count).entries()) {
        const whole = cache.get(`${hook}_grad`);
        const own = head === undefined ? whole : whole.slice("head", head);
        expect(difference(data.subarray(i * own.size, (i + 1) * own.size), own.data), hook).toBeLessThan(1e-4);
      }
    model.dispose();
  });
});

/** (metric with the edge's change times step - the same with minus step) / 2 step. */
async function slopes(model: Model): Promise<number[]> {
  const graph = modelGraph(model);
  const delta = senderOutputs(model, graph, otherCache(model, graph, corrupted), otherCache(model, graph, clean));
  const step = 0.02;
  const variants = graph.edges.flatMap(({ sender, receiver }) =>
    [step, -step].map((s): Variant => {
      const change = mapTensor(delta.slice("sender", sender), (x) => x * s).reshape([2, 5, graph.config.dModel], ["batch", "pos", "d_model"]);
      const edits = edgeEdits(graph.config, graph.receivers[receiver] as Receiver, change);
      return { edits };
    }),
  );
  const values: number[] = [];
  for await (const { index, logits } of model.sweep(clean, variants, metric.reads)) if (index >= 0) values.push(metricValue(metric, logits));
  return graph.edges.map((_, i) => ((values[2 * i] as number) - (values[2 * i + 1] as number)) / (2 * step));
}

describe.each(Object.entries(KINDS))("%s", (_, options) => {
  it("EAP is the slope of exact edge patching", async () => {
    const model = modelOf(options);
    const scores = eap(model, clean, corrupted, metric).scores.data;
    expect(difference(scores, await slopes(model))).toBeLessThan(2e-3);
    model.dispose();
  });
});

it("exact patching of the edges into the logits adds up to the difference of the prompts, without a final norm", async () => {
  const model = modelOf({ normalization: "LN", finalNorm: "none" });
  const graph = modelGraph(model);
  const ids = graph.edges.filter((e) => e.id.endsWith("->logits")).map((e) => e.id);
  const exact = await exactEdgeScores(model, clean, corrupted, metric, { edges: ids });
  const values = [clean, corrupted].map((tokens) => metricRun(model, tokens, metric, { names: "hook_embed" }).value) as [number, number];
  expect(ids.reduce((s, id) => s + exact.get(id), 0)).toBeCloseTo(values[1] - values[0], 5);
  expect(exact.scores.data.filter((x) => !Number.isNaN(x)).length).toBe(ids.length);
  // Linear in these edges: the first order is all there is.
  const estimate = eap(model, clean, corrupted, metric);
  for (const id of ids) expect(estimate.get(id)).toBeCloseTo(exact.get(id), 5);
  expect(estimate.compare(exact).rankCorrelation).toBeGreaterThan(0.99);
  model.dispose();
});
