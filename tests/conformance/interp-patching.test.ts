/** Activation patching on every kind of model, against runs with hook functions; bad input, aborts. */
import { type ActivationCache, type Hook, Model, type Tensor, type Tokens, type TransformerOptions, TritlensError } from "tritlens";
import {
  type ActivationPatch,
  genericActivationPatch,
  getActPatchAttnHeadAllPosEvery,
  getActPatchAttnHeadByPosEvery,
  getActPatchAttnHeadKByPos,
  getActPatchAttnHeadOutByPos,
  getActPatchAttnHeadPatternDestSrcPos,
  getActPatchBlockEvery,
  getActPatchMlpOut,
  getActPatchResidMid,
  getActPatchResidPre,
  logitDiff,
  type MetricLike,
  normalized,
  readLogits,
} from "tritlens/interp";
import { describe, expect, it } from "vitest";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { coreUnderTest } from "./support.ts";

const core = await coreUnderTest();

const SMALL = { nLayers: 2, dModel: 16, nHeads: 4, dHead: 4, dMlp: 32, nCtx: 12, dVocab: 19 };
const LLAMA = { ...SMALL, nKeyValueHeads: 2, gatedMlp: true, normalization: "RMS", positions: "rotary", actFn: "silu" } as const;
const MODELS: Readonly<Record<string, TransformerOptions>> = {
  gpt2: { ...SMALL, actFn: "gelu_new" },
  qwen3: { ...LLAMA, qkNorm: true },
  neox: { ...SMALL, actFn: "gelu", parallelAttnMlp: true, positions: "rotary", rotaryDim: 2 },
  bitnet: { ...LLAMA, actFn: "relu2", subNorm: true, quantizer: "ternary", actQuant: "int8" },
  "attention only": { ...SMALL, attnOnly: true, normalization: "none" },
};

const clean = [
  [1, 2, 3, 4, 5, 6],
  [7, 8, 9, 10, 11, 12],
];
const corrupt = clean.map((row) => row.with(2, 17));
const metric = logitDiff([3, 5], [4, 6]);

/** The error that a promise ends with. */
async function errorOf(promise: Promise<unknown>): Promise<TritlensError> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(TritlensError);
  return error as TritlensError;
}

/** The same patch by a hook function, and the metric written out. */
function byHand(model: Model, cache: ActivationCache, name: string, at: Readonly<Record<string, number>>): number {
  const source = cache.get(name);
  const patch: Hook = [
    name,
    (value: Tensor) => {
      const strides = value.shape.map((_, i) => value.shape.slice(i + 1).reduce((n, d) => n * d, 1));
      for (let i = 0; i < value.size; i++) {
        const inside = Object.entries(at).every(([axis, k]) => {
          const a = value.axes.indexOf(axis);
          return Math.floor(i / (strides[a] as number)) % (value.shape[a] as number) === k;
        });
        if (inside) value.data[i] = source.data[i] as number;
      }
    },
  ];
  const logits = model.runWithHooks(corrupt, { hooks: [patch] });
  return (logits.at(0, -1, 3) - logits.at(0, -1, 4) + logits.at(1, -1, 5) - logits.at(1, -1, 6)) / 2;
}

describe.each(Object.entries(MODELS))("%s", (name, config) => {
  const model = Model.fromConfig(config, { core, seed: 5 });
  const { cache } = model.runWithCache(clean);
  const kv = config.nKeyValueHeads ?? 4;

  it("patches what a hook function would", async () => {
    const z = await getActPatchAttnHeadOutByPos(model, corrupt, cache, metric);
    expect(z.values).toMatchObject({ shape: [2, 6, 4], axes: ["layer", "pos", "head"] });
    const k = await getActPatchAttnHeadKByPos(model, corrupt, cache, metric);
    expect(k.values.shape).toEqual([2, 6, kv]);
    const pattern = await getActPatchAttnHeadPatternDestSrcPos(model, corrupt, cache, metric);
    for (const [layer, pos, head] of [
      [0, 2, 1],
      [1, 5, 0],
      [0, 4, 1],
    ] as const) {
      expect(z.values.at(layer, pos, head)).toBeCloseTo(byHand(model, cache, `blocks.${layer}.attn.hook_z`, { pos, head }), 5);
      expect(k.values.at(layer, pos, head)).toBeCloseTo(byHand(model, cache, `blocks.${layer}.attn.hook_k`, { pos, head }), 5);
      for (const key of [2, 5])
        expect(pattern.values.at(layer, head, pos, key)).toBeCloseTo(
          byHand(model, cache, `blocks.${layer}.attn.hook_pattern`, { head, query: pos, key }),
          5,
        );
    }
    // The whole prompt's difference is at position 2: before it, nothing changes.
    expect(z.values.at(0, 1, 0)).toBeCloseTo(z.corrupt, 5);
    expect(Math.max(...z.values.data)).toBeGreaterThan(Math.min(...z.values.data));
  });

  it("restores the clean run where the difference is", async () => {
    const target = byHand(model, cache, "blocks.0.hook_resid_pre", { pos: 2 });
    const { values } = await getActPatchResidPre(model, corrupt, cache, metric);
    expect(values.at(0, 2)).toBeCloseTo(target, 5);
    const share = normalized(metric, { clean: target, corrupt: 0 });
    expect((await getActPatchResidPre(model, corrupt, cache, share)).values.at(0, 2)).toBeCloseTo(1, 5);
  });

  it("does all kinds at once as one by one", async () => {
    const every = await getActPatchAttnHeadAllPosEvery(model, corrupt, cache, metric);
    expect(every.values).toMatchObject({ shape: [5, 2, 4], axes: ["patch_type", "layer", "head"] });
    const alone = await genericActivationPatch(model, corrupt, cache, metric, { activation: "v", axes: ["layer", "head"] });
    for (let h = 0; h < 4; h++) {
      if (h < kv) expect(every.values.at(3, 1, h)).toBeCloseTo(alone.values.at(1, h), 5);
      else expect(every.values.at(3, 1, h)).toBeNaN();
    }
    const byPos = await getActPatchAttnHeadByPosEvery(model, corrupt, cache, metric);
    expect(byPos.values).toMatchObject({ shape: [5, 2, 6, 4], axes: ["patch_type", "layer", "pos", "head"] });
    expect(byPos.values.at(4, 1, 5, 3)).toBeCloseTo(byHand(model, cache, "blocks.1.attn.hook_pattern", { query: 5, head: 3 }), 5);
  });

  it("says what the model lacks, and stays usable", async () => {
    const before = model.forward(clean).data;
    if (config.attnOnly) {
      expect((await errorOf(getActPatchMlpOut(model, corrupt, cache, metric))).code).toBe("E_MODE");
      expect((await errorOf(getActPatchBlockEvery(model, corrupt, cache, metric))).message).toMatch(/mlp_out/);
    } else {
      const { values } = await getActPatchBlockEvery(model, corrupt, cache, metric);
      expect(values).toMatchObject({ shape: [3, 2, 6], axes: ["patch_type", "layer", "pos"] });
    }
    const mid = getActPatchResidMid(model, corrupt, cache, metric);
    if (config.attnOnly || config.parallelAttnMlp) expect((await errorOf(mid)).code).toBe("E_MODE");
    else expect((await mid).values.at(1, 5)).toBeCloseTo(byHand(model, cache, "blocks.1.hook_resid_mid", { pos: 5 }), 5);
    expect(model.forward(clean).data).toEqual(before);
  });

  it(`draws ${name}`, async () => {
    const { activation, axes } = { activation: "z", axes: ["layer", "pos", "head"] };
    const kinds = await Promise.all(
      [["layer"], ["layer", "pos"], axes].map(async (a) =>
        (await genericActivationPatch(model, corrupt, cache, metric, { activation, axes: a })).chart(),
      ),
    );
    expect(kinds.map((c) => c.kind)).toEqual(["bars", "heatmap", "heatmap"]);
    expect(kinds[2]).toMatchObject({ y: { labels: expect.arrayContaining(["L0H0", "L1H3"]) }, x: { labels: ["0", "1", "2", "3", "4", "5"] } });
  });
});

describe("twins", () => {
  it.each(["latent", "packed"])("agree: %s ternary weights and the dense model with their values", async (kind) => {
    const { packed, twin } = kind === "latent" ? packedAndTwin(core, 3) : await storedAndTwin(core, 3);
    const all = async (model: Model): Promise<Tensor[]> => {
      const { cache } = model.runWithCache(clean);
      const block = await getActPatchBlockEvery(model, corrupt, cache, metric);
      return [block.values, (await getActPatchAttnHeadOutByPos(model, corrupt, cache, metric)).values];
    };
    const [a, b] = [await all(packed), await all(twin)];
    for (const [i, t] of a.entries()) {
      const expected = (b[i] as Tensor).data;
      const largest = expected.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
      for (const [k, x] of t.data.entries()) expect(Math.abs(x - (expected[k] as number))).toBeLessThanOrEqual(1e-5 * largest);
    }
    packed.dispose();
    twin.dispose();
  });
});

describe("bad input", () => {
  const model = Model.fromConfig(MODELS.gpt2 as TransformerOptions, { core, seed: 5 });
  const { cache } = model.runWithCache(clean);
  const patch = (
    options: Partial<Parameters<typeof genericActivationPatch>[4]>,
    tokens: Tokens = corrupt,
    m: MetricLike = metric,
  ): Promise<ActivationPatch> => genericActivationPatch(model, tokens, cache, m, { activation: "resid_pre", axes: ["layer", "pos"], ...options });

  it.each([
    ["an unknown activation", { activation: "resid_per" }, "E_NAME", /resid_pre/],
    ["a full name with layers", { activation: "blocks.0.hook_resid_pre" }, "E_NAME", /short name/],
    ["an unknown axis", { axes: ["layer", "token"] }, "E_NAME", /token/],
    ["a layer out of range", { indices: [[2, 0]] }, "E_RANGE", /"layer"/],
    ["a position out of range", { indices: [[0, 6]] }, "E_RANGE", /"pos"/],
    ["a negative head", { activation: "z", axes: ["layer", "head"], indices: [[0, -1]] }, "E_RANGE", /"head"/],
    ["half a position", { indices: [[0, 0.5]] }, "E_RANGE", /0\.5/],
    ["an index without a position", { indices: [[0]] }, "E_SHAPE", /layer, pos/],
  ] as const)("%s", async (_, options, code, message) => {
    const error = await errorOf(patch(options));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it.each([
    ["shorter prompts", clean.map((row) => row.slice(1)), "E_SHAPE"],
    ["fewer prompts", clean.slice(1), "E_SHAPE"],
    ["ragged prompts", [[1, 2], [3]], "E_SHAPE"],
    ["tokens that do not exist", clean.map((row) => row.with(0, 99)), "E_RANGE"],
  ])("%s", async (_, tokens, code) => {
    expect((await errorOf(patch({}, tokens))).code).toBe(code);
  });

  it("a cache without the activation", async () => {
    const { cache: little } = model.runWithCache(clean, { names: "hook_embed" });
    expect((await errorOf(getActPatchResidPre(model, corrupt, little, metric))).code).toBe("E_NAME");
  });

  it("metrics that throw, return NaN, nothing, or read what is not there", async () => {
    const before = model.forward(clean).data;
    const own = new RangeError("mine");
    const throws = (): number => {
      throw own;
    };
    await expect(patch({}, corrupt, throws)).rejects.toBe(own);
    let calls = 0;
    const late = (): number => (++calls > 3 ? throws() : 0);
    await expect(patch({}, corrupt, late)).rejects.toBe(own);
    expect((await errorOf(patch({}, corrupt, () => Number.NaN))).code).toBe("E_NONFINITE");
    expect((await errorOf(patch({}, corrupt, (() => undefined) as unknown as () => number))).code).toBe("E_SHAPE");
    expect((await errorOf(patch({}, corrupt, ((logits: Tensor) => logits) as unknown as () => number))).code).toBe("E_SHAPE");
    expect((await errorOf(patch({}, corrupt, logitDiff([1, 2, 3], 4)))).code).toBe("E_SHAPE");
    expect((await errorOf(patch({}, corrupt, logitDiff(99, 4)))).code).toBe("E_RANGE");
    expect(model.forward(clean).data).toEqual(before);
  });

  it("a budget that is too small", async () => {
    expect((await errorOf(patch({ budgetBytes: 1000 }))).code).toBe("E_MEMORY");
    const all = await patch({});
    const little = await patch({ budgetBytes: 200_000 });
    for (const [i, x] of little.values.data.entries()) expect(x).toBeCloseTo(all.values.data[i] as number, 5);
  });

  it("aborts, with or without what is done", async () => {
    const started = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }): void => {
      seen.push(done);
      // Of 36 entries of a pattern, the mask hides 15.
      expect(total).toBe(2 * 4 * 21);
      if (done >= 3) started.abort();
    };
    const entries = { activation: "pattern", axes: ["layer", "head", "dest_pos", "src_pos"] };
    const partial = await patch({ ...entries, signal: started.signal, stopOnAbort: true, onProgress });
    expect(partial.complete).toBe(false);
    const done = partial.values.data.filter((x) => !Number.isNaN(x)).length - 2 * 4 * 15;
    expect(done).toBe(seen.at(-1));
    expect(done).toBeGreaterThanOrEqual(3);
    expect(done).toBeLessThan(2 * 4 * 21);
    expect(partial.corrupt).not.toBeNaN();
    expect(partial.values.at(0, 0, 1, 0)).toBeCloseTo((await patch(entries)).values.at(0, 0, 1, 0), 5);
    expect((await errorOf(patch({ signal: AbortSignal.abort() }))).code).toBe("E_ABORTED");
    expect((await patch({ signal: AbortSignal.abort(), stopOnAbort: true })).complete).toBe(false);
  });

  it("models that read out the last position only are patched as the others", async () => {
    const last = Model.fromConfig({ ...(MODELS.gpt2 as TransformerOptions), readout: "last" }, { core, seed: 5 });
    const [a, b] = [(await getActPatchResidPre(last, corrupt, last.runWithCache(clean).cache, metric)).values, (await patch({})).values];
    for (const [i, x] of a.data.entries()) expect(x).toBeCloseTo(b.data[i] as number, 5);
    last.dispose();
  });

  it("chosen indices, custom setters, single activations", async () => {
    const all = await patch({});
    const some = await patch({ indices: [1, 0].map((layer) => [layer, 2]) });
    expect([...some.values.data]).toEqual([all.values.at(1, 2), all.values.at(0, 2)]);
    expect(some.values.axes).toEqual(["patch"]);
    const zeroed = await genericActivationPatch(model, corrupt, cache, metric, {
      ...{ activation: "mlp_out", axes: ["layer"], setter: () => ({ kind: "zero" }) as const },
    });
    const expected = model.runWithHooks(corrupt, { hooks: [["blocks.1.hook_mlp_out", { kind: "zero" }]] });
    expect(zeroed.values.at(1)).toBeCloseTo(metric.value(readLogits(metric, expected)), 5);
    const one = await genericActivationPatch(model, corrupt, cache, metric, { activation: "hook_embed", axes: ["pos"] });
    expect(one.values.at(2)).toBeCloseTo(all.values.at(0, 2), 5);
    const neurons = await genericActivationPatch(model, corrupt, cache, metric, { activation: "post", axes: ["layer", "d_mlp"] });
    expect(neurons.values.shape).toEqual([2, 32]);
  });
});
