/** A sweep equals a run of its own for every variant: every kind of edit, every kind of model. */
import { type Core, type Edit, loadCore, Model, type SweepRun, Tensor, type TransformerOptions, type TritlensError, type Variant } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { difference } from "../golden/support.ts";
import { sweepNaively } from "../support/naive-sweep.ts";
import { codeOf, coreUnderTest } from "./support.ts";

const small: TransformerOptions = { nLayers: 2, dModel: 16, nHeads: 4, dHead: 4, dMlp: 24, nCtx: 12, dVocab: 13, actFn: "gelu_new" };
const MODELS: Readonly<Record<string, TransformerOptions>> = {
  "LN, learned positions": small,
  "RMS, rotary, gated, grouped heads": { ...small, normalization: "RMS", positions: "rotary", gatedMlp: true, nKeyValueHeads: 2, actFn: "silu" },
  "attention only, bidirectional": { ...small, attnOnly: true, normalization: "none", attentionDir: "bidirectional" },
  "parallel blocks, shortformer": { ...small, parallelAttnMlp: true, positions: "shortformer" },
  "ternary with int8 activations": { ...small, quantizer: "ternary", actQuant: "int8", normalization: "RMS", subNorm: true, qkNorm: true },
  "read-out of the last position": { ...small, readout: "last" },
};

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

/** Numbers that look random and are the same everywhere. */
function noise(n: number, seed: number): Float32Array {
  const out = new Float32Array(n);
  core.random(seed, 0, 1, out);
  return out;
}

const tokens = [
  [1, 2, 3, 4, 5, 6, 7],
  [7, 6, 5, 4, 3, 2, 1],
  [1, 1, 2, 2, 3, 3, 12],
];
const other = tokens.map((row) => row.with(2, 9));

/** Edits of every kind at every kind of site. */
function variantsOf(model: Model): Variant[] {
  const { cache } = model.runWithCache(other);
  const one = (where: string, ...edits: Edit[]): Variant => ({ edits: edits.map((edit) => [where, edit] as const) });
  const names = model.siteNames.filter((name) => !/codes|_scale$|hook_acc/.test(name));
  const patches = names.flatMap((name): Variant[] => {
    const value = cache.get(name);
    const pos = value.axes.includes("pos") ? "pos" : "query";
    const head = value.axes.includes("head") ? [one(name, { kind: "patch", value, at: { head: 1 } })] : [];
    return [one(name, { kind: "patch", value }), one(name, { kind: "patch", value, at: { [pos]: 4 } }), ...head];
  });
  const z = cache.get("blocks.1.attn.hook_z");
  const direction = noise(16, 3);
  const resid = "blocks.0.hook_resid_post";
  const pattern = "blocks.1.attn.hook_pattern";
  return [
    ...patches,
    { edits: [] },
    one(resid, { kind: "zero", at: { pos: [1, 3], batch: 1 } }),
    one(resid, { kind: "mean", at: { pos: 2 } }, { kind: "scale", factor: 2, at: { d_model: [0, 5] } }),
    one(resid, { kind: "add", value: direction, at: { batch: 0, pos: 6 } }),
    one(resid, { kind: "project", direction }),
    one(pattern, { kind: "set", value: 0.25, at: { head: 2, query: 5 } }),
    one("blocks.1.attn.hook_attn_scores", { kind: "add", value: 1, at: { key: 0 } }),
    one("blocks.*.attn.hook_z", { kind: "patch", value: z, at: { head: 0 } }, { kind: "freeze", at: { pos: [3, 6] } }),
    // What is changed early and held later reaches the logits on one path only.
    {
      edits: [
        ["hook_embed", { kind: "zero", at: { pos: 3 } }],
        ["blocks.0.hook_attn_out", { kind: "freeze" }],
        ["blocks.1.hook_attn_out", { kind: "freeze" }],
      ],
    },
    {
      edits: [
        [resid, { kind: "zero" }],
        [resid, { kind: "freeze" }],
        [resid, { kind: "set", value: 1, at: { pos: 5 } }],
      ],
    },
    {
      edits: [
        ["hook_embed", { kind: "zero", at: { pos: 0 } }],
        [pattern, { kind: "freeze", at: { head: 1 } }],
      ],
    },
  ]; // prettier-ignore
}

async function all(runs: AsyncGenerator<SweepRun>): Promise<SweepRun[]> {
  const out: SweepRun[] = [];
  for await (const run of runs) out.push(run);
  return out;
}

describe.each(Object.entries(MODELS))("%s", (_name, config) => {
  let model: Model;
  beforeAll(() => {
    model = Model.fromConfig(config, { seed: 5, core });
    for (const name of model.paramNames)
      model.writeParam(
        name,
        noise(model.readParam(name).size, name.length).map((x) => 0.3 * x),
      );
  });
  afterAll(() => model.dispose());

  it.each([{}, { positions: "last" as const }, { positions: "last" as const, classes: [3, 3, 0] }, { classes: [12] }])(
    "equals runs of their own: %o",
    async (options) => {
      const variants = variantsOf(model);
      const [found, expected] = [await all(model.sweep(tokens, variants, options)), await all(sweepNaively(model, tokens, variants, options))];
      expect(found.map((r) => r.index)).toEqual(expected.map((r) => r.index));
      for (const [i, run] of found.entries()) {
        const wanted = (expected[i] as SweepRun).logits;
        expect(run.logits.shape).toEqual(wanted.shape);
        expect(difference(run.logits.data, wanted.data), `variant ${run.index}`).toBeLessThan(1e-5);
      }
    },
  );

  it("goes through in parts, and says how far it is", async () => {
    const variants = variantsOf(model).slice(0, 20);
    const seen: number[] = [];
    const whole = await all(model.sweep(tokens, variants));
    const least = 2 * 4 * 3 * 7 * 2000;
    const parts = await all(model.sweep(tokens, variants, { budgetBytes: least, onProgress: ({ done, total }) => seen.push(done / total) }));
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toBe(1);
    for (const [i, run] of parts.entries()) expect(difference(run.logits.data, (whole[i] as SweepRun).logits.data)).toBeLessThan(1e-6);
  });
});

describe("what cannot be swept", () => {
  const model = (): Model => Model.fromConfig(small, { core });
  const first = (m: Model, variants: readonly Variant[], options = {}): Promise<SweepRun[]> => all(m.sweep(tokens, variants, options));
  const code = (run: Promise<unknown>): Promise<string> =>
    run.then(
      () => "nothing",
      (e: TritlensError) => e.code,
    );

  it("is refused by name, and leaves the model usable", async () => {
    const m = model();
    const zero: Edit = { kind: "zero" };
    const value = Tensor.from(new Float32Array(3), [3]);
    expect(codeOf(() => m.sweep(tokens, [{ edits: [["hook_nothing", zero]] }]))).toBe("E_NAME");
    expect(await code(first(m, [{ edits: [["hook_embed", { kind: "zero", at: { pos: 7 } }]] }]))).toBe("E_RANGE");
    expect(await code(first(m, [{ edits: [["hook_embed", { kind: "zero", at: { head: 0 } }]] }]))).toBe("E_NAME");
    expect(await code(first(m, [{ edits: [["hook_embed", { kind: "patch", value }]] }]))).toBe("E_SHAPE");
    expect(await code(first(m, [], { classes: [13] }))).toBe("E_RANGE");
    expect(await code(first(m, [], { budgetBytes: 100 }))).toBe("E_MEMORY");
    expect(await code(first(m, [], { signal: AbortSignal.abort() }))).toBe("E_ABORTED");
    expect(codeOf(() => m.runWithHooks(tokens, { hooks: [["hook_embed", { kind: "freeze" }]] }))).toBe("E_MODE");
    expect((await first(m, [])).length).toBe(1);
    m.dispose();
    expect(await code(first(m, []))).toBe("E_CLOSED");
    await loadCore();
  });

  it("ends between two parts when asked to", async () => {
    const m = model();
    const stop = new AbortController();
    const variants = Array.from({ length: 60 }, (_, i): Variant => ({ edits: [["hook_embed", { kind: "zero", at: { pos: i % 7 } }]] }));
    const seen: number[] = [];
    const run = async (): Promise<void> => {
      for await (const { index } of m.sweep(tokens, variants, { signal: stop.signal })) {
        seen.push(index);
        stop.abort();
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(seen.length).toBeLessThan(60);
    expect(m.forward(tokens).shape).toEqual([3, 7, 13]);
  });
});
