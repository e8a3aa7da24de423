/** Path patching, causal tracing and interchange interventions against the same written out by hand. */
import { type ActivationCache, Model, Tensor, type TransformerOptions, TritlensError } from "tritlens";
import {
  answerAccuracy,
  answerProbability,
  causalTrace,
  getActPatchDirectPath,
  getActPatchDirectPathAllSources,
  interchange,
  logitDiff,
  logProb,
  pathPatch,
  readLogits,
} from "tritlens/interp";
import { describe, expect, it } from "vitest";
import { packedAndTwin } from "../support/twins.ts";
import { coreUnderTest } from "./support.ts";

const core = await coreUnderTest();

const SMALL: TransformerOptions = { nLayers: 3, dModel: 16, nHeads: 4, dHead: 4, dMlp: 32, nCtx: 12, dVocab: 19, actFn: "gelu_new" };
const clean = [
  [1, 2, 3, 4, 5, 6],
  [7, 8, 9, 10, 11, 12],
];
const corrupt = clean.map((row) => row.with(2, 17));
const metric = logitDiff([3, 5], [4, 6]);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(TritlensError);
  return (error as TritlensError).code;
}

/** What a head adds to the residual stream, clean minus corrupted: [row, d_model], row = batch x pos. */
function change(model: Model, cleanCache: ActivationCache, corruptCache: ActivationCache, layer: number, head: number): number[][] {
  const name = `blocks.${layer}.attn.hook_z`;
  const [a, b] = [cleanCache.get(name).slice("head", head), corruptCache.get(name).slice("head", head)];
  const w = model.weight(`blocks.${layer}.attn.W_O`);
  return Array.from({ length: 12 }, (_, row) =>
    Array.from({ length: 16 }, (_, d) => {
      let sum = 0;
      for (let e = 0; e < 4; e++) sum += ((a.data[row * 4 + e] as number) - (b.data[row * 4 + e] as number)) * w.at(head, e, d);
      return sum;
    }),
  );
}

describe("direct paths", () => {
  // Without norms the query's change is the head's change times W_Q: the path in one product.
  const model = Model.fromConfig({ ...SMALL, normalization: "none" }, { core, seed: 2 });
  const { cache } = model.runWithCache(clean);
  const { cache: corruptCache } = model.runWithCache(corrupt);

  it.each(["q", "k", "v"] as const)("into %s are the head's change through one matrix", async (component) => {
    const found = await getActPatchDirectPath(model, corrupt, cache, metric, { srcLayer: 0, srcHead: 1, component });
    expect(found.values).toMatchObject({ shape: [3, 4], axes: ["layer", "head"] });
    expect([...found.values.data.subarray(0, 4)]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    const delta = change(model, cache, corruptCache, 0, 1);
    for (const [layer, head] of [
      [1, 0],
      [2, 3],
    ] as const) {
      const w = model.weight(`blocks.${layer}.attn.W_${component.toUpperCase()}`);
      const logits = model.runWithHooks(corrupt, {
        hooks: [
          [
            `blocks.${layer}.attn.hook_${component}`,
            (value) => {
              for (let row = 0; row < 12; row++)
                for (let e = 0; e < 4; e++)
                  for (let d = 0; d < 16; d++) {
                    const k = (row * 4 + head) * 4 + e;
                    value.data[k] = (value.data[k] as number) + ((delta[row] as number[])[d] as number) * w.at(head, d, e);
                  }
            },
          ],
        ],
      });
      const expected = metric.value(readLogits(metric, logits));
      expect(found.values.at(layer, head)).toBeCloseTo(expected, 6);
    }
  });

  it("are what a changed input of the receiving head gives, with norms, rotations and grouped keys", async () => {
    const llama = { ...SMALL, nKeyValueHeads: 2, gatedMlp: true, normalization: "RMS", positions: "rotary", actFn: "silu" } as const;
    const grouped = Model.fromConfig(llama, { core, seed: 4 });
    const [one, two] = [grouped.runWithCache(clean).cache, grouped.runWithCache(corrupt).cache];
    const delta = Tensor.from(Float32Array.from(change(grouped, one, two, 0, 2).flat()), [2, 6, 16]);
    for (const [component, head] of [
      ["q", 3],
      ["k", 1],
      ["v", 0],
    ] as const) {
      const found = await getActPatchDirectPath(grouped, corrupt, one, metric, { srcLayer: 0, srcHead: 2, component });
      const logits = grouped.runWithHooks(corrupt, { hooks: [[`blocks.2.hook_${component}_input`, { kind: "add", value: delta, at: { head } }]] });
      expect(found.values.shape).toEqual([3, component === "q" ? 4 : 2]);
      expect(found.values.at(2, head)).toBeCloseTo(metric.value(readLogits(metric, logits)), 5);
    }
    grouped.dispose();
  });

  it("from outputs in the residual stream's space, into the MLP's input", async () => {
    const receivers = [{ name: "blocks.1.hook_mlp_in" }];
    const { cache: all } = model.runWithCache(clean, { names: [...model.siteNames, "blocks.0.attn.hook_result"] });
    const options = { receivers, freeze: "heads and MLPs" } as const;
    const results = await pathPatch(model, corrupt, all, metric, { ...options, senders: [{ name: "blocks.0.attn.hook_result", at: { head: 1 } }] });
    const heads = await pathPatch(model, corrupt, all, metric, options);
    expect(results.senders).toEqual(["L0H1"]);
    expect(results.values.at(0)).toBeCloseTo(heads.values.at(0, 1), 5);
    const delta = Tensor.from(Float32Array.from(change(model, cache, corruptCache, 0, 1).flat()), [2, 6, 16]);
    const logits = model.runWithHooks(corrupt, { hooks: [["blocks.1.hook_mlp_in", { kind: "add", value: delta }]] });
    expect(heads.values.at(0, 1)).toBeCloseTo(metric.value(readLogits(metric, logits)), 5);
    expect(heads.values.at(2, 0)).toBeNaN();
  });

  it("from all sources are those of each", async () => {
    const all = await getActPatchDirectPathAllSources(model, corrupt, cache, metric);
    expect(all.values).toMatchObject({ shape: [3, 4, 3, 4], axes: ["src_layer", "src_head", "layer", "head"] });
    const one = await getActPatchDirectPath(model, corrupt, cache, metric, { srcLayer: 1, srcHead: 3 });
    expect(all.values.at(1, 3, 2, 2)).toBeCloseTo(one.values.at(2, 2), 6);
    expect(all.values.at(2, 0, 2, 0)).toBeNaN();
    expect(all.chart()).toMatchObject({ kind: "heatmap", y: { name: "source head" } });
    const last = await getActPatchDirectPath(model, corrupt, cache, metric, { srcLayer: 2, srcHead: 0 });
    expect(last.values.data.every(Number.isNaN)).toBe(true);
    expect(last.complete).toBe(true);
  });

  it("to the logits are the head's change through W_U", async () => {
    const receivers = [{ name: "blocks.2.hook_resid_post" }];
    const found = await pathPatch(model, corrupt, cache, metric, { receivers, freeze: "heads and MLPs" });
    expect(found.values).toMatchObject({ shape: [3, 4], axes: ["layer", "head"] });
    const u = model.weight("unembed.W_U");
    for (const [layer, head] of [
      [0, 2],
      [2, 1],
    ] as const) {
      const delta = change(model, cache, corruptCache, layer, head);
      const moved = [0, 1].map((b) =>
        (delta[b * 6 + 5] as number[]).reduce((sum, x, d) => sum + x * (u.at(d, b === 0 ? 3 : 5) - u.at(d, b === 0 ? 4 : 6)), 0),
      ) as [number, number];
      expect(found.values.at(layer, head) - found.corrupt).toBeCloseTo((moved[0] + moved[1]) / 2, 6);
    }
    const throughMlps = await pathPatch(model, corrupt, cache, metric, { receivers });
    expect(throughMlps.values.at(2, 1)).not.toBe(found.values.at(2, 1));
  });

  it("refuse what is no path", async () => {
    const path = (options: Partial<Parameters<typeof pathPatch>[4]>): Promise<unknown> =>
      pathPatch(model, corrupt, cache, metric, { receivers: [{ name: "blocks.2.hook_resid_post" }], ...options });
    expect(await codeOf(path({ receivers: [] }))).toBe("E_SHAPE");
    expect(await codeOf(path({ receivers: [{ name: "blocks.1.attn.hook_z" }] }))).toBe("E_MODE");
    expect(await codeOf(path({ receivers: [{ name: "blocks.1.attn.hook_qq" }] }))).toBe("E_NAME");
    expect(await codeOf(path({ receivers: [{ name: "q1", at: { head: 4 } }] }))).toBe("E_RANGE");
    expect(await codeOf(path({ senders: [{ name: "blocks.0.attn.hook_q" }] }))).toBe("E_MODE");
    expect(await codeOf(path({ senders: [{ name: "z0", at: { head: 4 } }] }))).toBe("E_RANGE");
    expect(await codeOf(path({ senders: [{ name: "z0", at: { heads: 0 } }] }))).toBe("E_NAME");
    expect(await codeOf(getActPatchDirectPath(model, corrupt, cache, metric, { srcLayer: 3, srcHead: 0 }))).toBe("E_RANGE");
    expect(await codeOf(getActPatchDirectPath(model, corrupt, cache, metric, { srcLayer: 0, srcHead: 9 }))).toBe("E_RANGE");
    const shorter = corrupt.map((row) => row.slice(1));
    expect(await codeOf(pathPatch(model, shorter, cache, metric, { receivers: [{ name: "q1" }] }))).toBe("E_SHAPE");
    expect(await codeOf(path({ signal: AbortSignal.abort() }))).toBe("E_ABORTED");
    const partial = (await path({ signal: AbortSignal.abort(), stopOnAbort: true })) as { complete: boolean };
    expect(partial.complete).toBe(false);
  });

  it("of senders of one's own, with positions", async () => {
    const senders = [{ name: "hook_embed" }, { name: "mlp_out0", at: { pos: 2 } }, { name: "blocks.2.hook_mlp_out" }];
    const {
      values,
      senders: labels,
      chart,
    } = await pathPatch(model, corrupt, cache, metric, { senders, receivers: [{ name: "q2", at: { head: 0 } }] });
    expect(chart).toBeDefined();
    expect(labels).toEqual(["hook_embed", "mlp_out0 pos 2", "2.hook_mlp_out"]);
    expect(values.axes).toEqual(["sender"]);
    expect(values.at(2)).toBeNaN();
    expect(values.at(0)).not.toBeNaN();
  });

  it("say the same of low-bit weights and their dense twin", async () => {
    const { packed, twin } = packedAndTwin(core, 4);
    const [a, b] = await Promise.all(
      [packed, twin].map(
        async (m) => (await getActPatchDirectPathAllSources(m, corrupt, m.runWithCache(clean).cache, metric, { component: "k" })).values,
      ),
    );
    expect(a?.shape).toEqual([2, 4, 2, 2]);
    for (const [i, x] of a?.data.entries() ?? []) {
      const y = b?.data[i] as number;
      if (Number.isNaN(y)) expect(x).toBeNaN();
      else expect(Math.abs(x - y)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(y)));
    }
  });
});

describe("causal tracing", () => {
  const model = Model.fromConfig(SMALL, { core, seed: 2 });
  const tokens = [clean[0] as number[]];
  const answer = answerProbability(5);

  it("is the mean over draws of noise of runs with clean states", async () => {
    const options = { subject: [1, 3], samples: 2, noise: 0.5, window: 2, seed: 7 } as const;
    const trace = await causalTrace(model, tokens, answer, options);
    expect([...trace.maps.keys()]).toEqual(["state", "mlp", "attn"]);
    expect(trace.clean).toBeCloseTo(answer.value(readLogits(answer, model.forward(tokens))), 6);
    expect(trace.corrupt).not.toBeCloseTo(trace.clean, 6);
    // The last state at the last position is all that the answer reads.
    expect(trace.maps.get("state")?.at(2, 5)).toBeCloseTo(trace.clean, 6);
    // In front of the subject nothing was lost, at the first layer behind it everything is restored only together.
    expect(trace.maps.get("state")?.at(0, 0)).toBeCloseTo(trace.corrupt, 6);
    const same = await causalTrace(model, tokens, answer, options);
    expect(same.maps.get("mlp")?.data).toEqual(trace.maps.get("mlp")?.data);
    const other = await causalTrace(model, tokens, answer, { ...options, seed: 8 });
    expect(other.corrupt).not.toBe(trace.corrupt);
    expect(trace.chart()).toMatchObject({ kind: "panels", panels: [{ y: { labels: ["0", "1*", "2*", "3", "4", "5"] } }, {}, {}] });
  });

  it("restores windows of blocks", async () => {
    const options = { subject: [2, 3], samples: 1, noise: 1, kinds: ["attn"] } as const;
    const { cache } = model.runWithCache(tokens);
    let noisy: Tensor | undefined;
    // Zero noise at the model's own scale says where the noise comes in: at the embedding of the subject only.
    const quiet = await causalTrace(model, tokens, answer, { ...options, noise: 0 });
    expect(quiet.corrupt).toBeCloseTo(quiet.clean, 6);
    const wide = await causalTrace(model, tokens, answer, { ...options, window: 6 });
    const narrow = await causalTrace(model, tokens, answer, { ...options, window: 1 });
    // Six blocks around the middle are all three: every cell of the position restores the same.
    expect(wide.maps.get("attn")?.at(0, 5)).toBeCloseTo(wide.maps.get("attn")?.at(2, 5) as number, 6);
    expect(narrow.maps.get("attn")?.at(0, 5)).not.toBeCloseTo(narrow.maps.get("attn")?.at(2, 5) as number, 6);
    // By hand: recover the noise from a trace of the embedding itself.
    const spy = logProb(5);
    const run = await causalTrace(model, tokens, spy, { ...options, window: 1 });
    const random = gaussianOf(0);
    noisy = cache.get("hook_embed").copy();
    for (let d = 0; d < 16; d++) noisy.data[2 * 16 + d] = (noisy.data[2 * 16 + d] as number) + random();
    const logits = model.runWithHooks(tokens, {
      hooks: [
        ["hook_embed", { kind: "set", value: noisy }],
        ["blocks.1.hook_attn_out", { kind: "set", value: cache.get("blocks.1.hook_attn_out").slice("pos", [5, 6]), at: { pos: 5 } }],
      ],
    });
    expect(run.maps.get("attn")?.at(1, 5)).toBeCloseTo(spy.value(readLogits(spy, logits)), 5);
  });

  it("knows what a model lacks and what does not fit", async () => {
    const bare = Model.fromConfig({ ...SMALL, attnOnly: true }, { core });
    expect([...(await causalTrace(bare, tokens, answer, { subject: [0, 1], samples: 1 })).maps.keys()]).toEqual(["state", "attn"]);
    expect(await codeOf(causalTrace(bare, tokens, answer, { subject: [0, 1], kinds: ["mlp"] }))).toBe("E_MODE");
    expect(await codeOf(causalTrace(model, tokens, answer, { subject: [3, 7] }))).toBe("E_RANGE");
    expect(await codeOf(causalTrace(model, tokens, answer, { subject: [0, 1], samples: 0 }))).toBe("E_RANGE");
    expect(await codeOf(causalTrace(model, tokens, answer, { subject: [0, 1], noise: Number.NaN }))).toBe("E_RANGE");
    expect(await codeOf(causalTrace(model, tokens, answer, { subject: [0, 1], kinds: ["toString" as "mlp"] }))).toBe("E_NAME");
    const stopped = new AbortController();
    const partial = await causalTrace(model, tokens, answer, {
      ...{ subject: [1, 3], samples: 2, signal: stopped.signal, stopOnAbort: true },
      onProgress: ({ done }) => done >= 8 && stopped.abort(),
    });
    expect(partial.complete).toBe(false);
    expect(partial.maps.get("state")?.at(0, 0)).not.toBeNaN();
    expect(partial.maps.get("attn")?.at(2, 5)).toBeNaN();
  });
});

/** Box and Muller's transform of mulberry32, written once more. */
function gaussianOf(seed: number): () => number {
  let a = seed;
  const next = (): number => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return radius * Math.cos(2 * Math.PI * next());
  };
}

describe("interchange interventions", () => {
  const model = Model.fromConfig(SMALL, { core, seed: 2 });
  const { cache } = model.runWithCache(clean);

  it("take places together, from runs and positions of their own", async () => {
    const z = cache.get("blocks.1.attn.hook_z");
    const alignments = [
      { places: [{ name: "blocks.2.hook_resid_post", from: cache }] },
      { label: "two heads", places: [1, 2].map((head) => ({ name: "z1", at: { head }, from: cache })) },
      { places: [{ name: "z1", at: { pos: 5 }, fromAt: { pos: 1 }, from: cache }] },
    ];
    const found = await interchange(model, corrupt, alignments, metric);
    expect(found.labels).toEqual(["2.hook_resid_post", "two heads", "z1 pos 5"]);
    expect(found.values.at(0)).toBeCloseTo(metric.value(readLogits(metric, model.forward(clean))), 6);
    const both = model.runWithHooks(corrupt, { hooks: [["z1", { kind: "set", value: z.slice("head", [1, 3]), at: { head: [1, 3] } }]] });
    expect(found.values.at(1)).toBeCloseTo(metric.value(readLogits(metric, both)), 6);
    const moved = model.runWithHooks(corrupt, { hooks: [["z1", { kind: "set", value: z.slice("pos", [1, 2]), at: { pos: 5 } }]] });
    expect(found.values.at(2)).toBeCloseTo(metric.value(readLogits(metric, moved)), 6);
    expect(found.chart()).toMatchObject({ kind: "bars", x: { labels: found.labels } });
  });

  it("count how often the counterfactual answer comes out", async () => {
    const logits = model.forward(clean);
    const best = [0, 1].map((b) => {
      const row = [...logits.slice("batch", b).slice("pos", 5).data];
      return row.indexOf(Math.max(...row));
    });
    const places = [{ name: "blocks.2.hook_resid_post", from: cache }];
    expect((await interchange(model, corrupt, [{ places }], answerAccuracy(best))).values.at(0)).toBe(1);
    const half = best.with(0, ((best[0] as number) + 1) % 19);
    expect((await interchange(model, corrupt, [{ places }], answerAccuracy(half))).values.at(0)).toBe(0.5);
    const classes = [...new Set(best)];
    expect((await interchange(model, corrupt, [{ places }], answerAccuracy(best, classes))).values.at(0)).toBe(1);
  });

  it("refuse what does not fit", async () => {
    expect(await codeOf(interchange(model, corrupt, [{ places: [] }], metric))).toBe("E_SHAPE");
    const at = (place: object): Promise<string> => codeOf(interchange(model, corrupt, [{ places: [{ name: "z1", from: cache, ...place }] }], metric));
    expect(await at({ name: "zz1" })).toBe("E_NAME");
    expect(await at({ at: { head: 7 } })).toBe("E_RANGE");
    expect(await at({ at: { pos: [0, 2] }, fromAt: { pos: 1 } })).toBe("E_SHAPE");
    expect(await at({ from: model.runWithCache(clean.map((r) => r.slice(1))).cache })).toBe("E_SHAPE");
    expect(await codeOf(interchange(model, corrupt, [{ places: [{ name: "z1", from: cache }] }], answerAccuracy([1, 2, 3])))).toBe("E_SHAPE");
  });
});

describe("the probability of an answer", () => {
  it("has the gradient of its values", () => {
    const data = Float32Array.from({ length: 8 }, (_, i) => Math.sin(i));
    const at = (x: Float32Array): Tensor => Tensor.from(x, [2, 1, 4], ["batch", "pos", "class"]);
    const p = answerProbability([1, 2]);
    const grad = p.grad?.(at(data)) as Float32Array;
    for (let i = 0; i < 8; i++) {
      const step = (d: number): number => p.value(at(data.with(i, (data[i] as number) + d)));
      expect(grad[i]).toBeCloseTo((step(1e-2) - step(-1e-2)) / 2e-2, 4);
    }
  });
});
