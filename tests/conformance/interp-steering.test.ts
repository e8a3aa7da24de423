/** DAS on a planted rotated subspace, and steering vectors in runs, sweeps and generations. */
import { type Core, type Edit, Model, Tensor, type TransformerOptions } from "tritlens";
import { fitDas, orthonormalBasis, projectionKernel, siteActivations, steer, steeringVector } from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { codeOfAsync, cosine, normal, relative } from "../support/planted.ts";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

/** A model that says token t by its first bit: the residual stream holds two bits of the token along two random directions, and only the first is read out. */
function twoBits(change: Partial<TransformerOptions> = {}): { model: Model; first: Float32Array; second: Float32Array } {
  const config: TransformerOptions = {
    nLayers: 1,
    dModel: 12,
    nHeads: 1,
    dHead: 4,
    nCtx: 4,
    dVocab: 4,
    dVocabOut: 2,
    attnOnly: true,
    positions: "none",
  };
  const model = Model.fromConfig({ ...config, normalization: "none", attnBias: false, unembedBias: false, ...change }, { core });
  const basis = orthonormalBasis(normal(core, 21, 2, 12)).data;
  const [first, second] = [basis.subarray(0, 12), basis.subarray(12)];
  const sign = (bit: number): number => (bit ? 1 : -1);
  model.writeParam(
    "embed.W_E",
    Float32Array.from({ length: 48 }, (_, i) => sign((i / 12) & 1) * first[i % 12] + sign((i / 24) & 1) * second[i % 12]),
  );
  model.writeParam(
    "unembed.W_U",
    Float32Array.from({ length: 24 }, (_, i) => sign(Math.floor(i / 12)) * first[i % 12]),
  );
  model.writeParam("blocks.0.attn.W_O", new Float32Array(48));
  return { model, first, second };
}

describe("DAS", () => {
  const pairs = (): { base: number[][]; source: number[][]; targets: number[] } => {
    const all = Array.from({ length: 16 }, (_, i) => [i & 3, i >> 2] as const);
    const many = [...all, ...all, ...all, ...all];
    return { base: many.map(([b]) => [b]), source: many.map(([, s]) => [s]), targets: many.map(([, s]) => s & 1) };
  };

  it.each(["all", "last"] as const)(
    "finds the rotated direction that carries a variable, where random ones do not: logits of %s",
    async (readout) => {
      const { model, first, second } = twoBits({ readout });
      const das = await fitDas(model, pairs(), { site: "hook_embed", steps: 150 });
      expect(Math.abs(cosine(das.basis.data, first))).toBeGreaterThan(0.99);
      expect(projectionKernel(das.basis, Tensor.from(second.slice(), [1, 12]))).toBeLessThan(0.02);
      expect(das.accuracy).toMatchObject({ learned: 1, whole: 1 });
      expect(Math.max(...das.accuracy.random)).toBeLessThan(1);
      expect(das.accuracy.none).toBeLessThan(0.8);
      expect(das.losses[149]).toBeLessThan(das.losses[0]);
      expect(das.chart().x.labels).toEqual(["nothing", "random", "learned", "everything"]);
      model.dispose();
    },
  );

  it("exchanges what it found in other runs, and leaves the rest", async () => {
    const { model, second } = twoBits();
    const das = await fitDas(model, pairs(), { site: "hook_embed", steps: 150 });
    const source = siteActivations(model, [[3], [0]], "hook_embed");
    const { logits, cache } = model.runWithCache([[0], [3]], { hooks: [das.interchange(source)], names: "hook_embed" });
    expect(logits.at(0, 0, 1)).toBeGreaterThan(logits.at(0, 0, 0));
    expect(logits.at(1, 0, 0)).toBeGreaterThan(logits.at(1, 0, 1));
    const along = (row: number): number => second.reduce((sum, u, j) => sum + u * cache.get("hook_embed").at(row, 0, j), 0);
    expect(along(0)).toBeCloseTo(-1, 1);
    expect(along(1)).toBeCloseTo(1, 1);
    model.dispose();
  });

  it.each(["latent", "stored"])("descends in a model with norms, at a position and in a head, and agrees with the dense twin: %s", async (kind) => {
    const { packed, twin } = kind === "latent" ? packedAndTwin(core, 4) : await storedAndTwin(core, 4);
    const data = {
      base: Array.from({ length: 24 }, (_, i) => [i % 19, (i * 5) % 19, 2]),
      source: Array.from({ length: 24 }, (_, i) => [(i * 3) % 19, 1, 2]),
    };
    const targets = Array.from({ length: 24 }, (_, i) => (i * 7) % 19);
    for (const model of [packed, twin]) {
      const das = await fitDas(
        model,
        { ...data, targets },
        { site: "blocks.0.hook_resid_post", dims: 2, pos: 1, steps: 60, lr: 0.05, batchSize: 24 },
      );
      const mean = (from: number): number => das.losses.slice(from, from + 5).reduce((sum, x) => sum + x, 0);
      expect(mean(55)).toBeLessThan(mean(0));
    }
    const bases = [];
    for (const model of [packed, twin])
      bases.push((await fitDas(model, { ...data, targets }, { site: "blocks.1.attn.hook_z", head: 2, dims: 2, steps: 5, batchSize: 24 })).basis);
    expect(projectionKernel(bases[0], bases[1])).toBeCloseTo(1, 5);
    packed.dispose();
    twin.dispose();
  });

  it("refuses what cannot be", async () => {
    const { model } = twoBits();
    const data = pairs();
    const code = (change: object, options: object = {}): Promise<string> =>
      codeOfAsync(fitDas(model, { ...data, ...change }, { site: "hook_embed", steps: 1, ...options }));
    expect(await code({ source: [[1]] })).toBe("E_SHAPE");
    expect(await code({ targets: data.targets.slice(1) })).toBe("E_SHAPE");
    expect(await code({ targets: data.targets.map(() => 2) })).toBe("E_RANGE");
    expect(await code({}, { site: "hook_embedd" })).toBe("E_NAME");
    expect(await code({}, { site: "blocks.0.attn.hook_pattern" })).toBe("E_MODE");
    expect(await code({}, { head: 0 })).toBe("E_MODE");
    expect(await code({}, { site: "blocks.0.attn.hook_z", head: 1 })).toBe("E_RANGE");
    expect(await code({}, { dims: 13 })).toBe("E_RANGE");
    expect(await code({}, { pos: 1 })).toBe("E_RANGE");
    expect(await code({}, { lr: Number.NaN })).toBe("E_RANGE");
    expect(await code({}, { holdout: 1 })).toBe("E_RANGE");
    expect(await code({}, { signal: AbortSignal.abort() })).toBe("E_ABORTED");
    expect(model.forward([[1]]).size).toBe(2);
    model.dispose();
  });
});

describe("steering", () => {
  const POSITIVE = [
    [1, 3],
    [0, 1],
    [3, 3],
    [2, 1],
  ];
  const NEGATIVE = [
    [1, 2],
    [0, 0],
    [3, 2],
    [2, 0],
  ];

  it.each(["mean-difference", "contrastive", "principal"] as const)("%s: the direction between two kinds of texts", (method) => {
    const { model, first } = twoBits();
    const vector = steeringVector(model, POSITIVE, NEGATIVE, { site: "blocks.0.hook_resid_post", method });
    // Every pair differs in the first bit alone: by twice its direction.
    expect(
      relative(
        vector.vector.data,
        first.map((x) => 2 * x),
      ),
    ).toBeLessThan(1e-4);
    expect(vector.norm).toBeCloseTo(2, 4);
    expect(Math.min(...vector.positive.data)).toBeGreaterThan(Math.max(...vector.negative.data));
    expect(vector.controlNorms).toHaveLength(100);
    expect(vector.chart().points).toHaveLength(8);
    model.dispose();
  });

  it("tells a direction from none by shuffles", () => {
    const { model } = twoBits();
    const texts = (bit: number): number[][] => Array.from({ length: 12 }, (_, i) => [i % 4, 2 * (i % 2) + bit]);
    expect(steeringVector(model, texts(1), texts(0), { site: "hook_embed" }).p).toBeLessThan(0.02);
    expect(steeringVector(model, texts(1), texts(1), { site: "hook_embed" }).p).toBe(1);
    expect(steeringVector(model, texts(1), texts(0).slice(2), { site: "hook_embed" }).norm).toBeGreaterThan(1.5);
    model.dispose();
  });

  it("changes a run as an add edit does, and turns the answer around", () => {
    const { model } = twoBits();
    const vector = steeringVector(model, POSITIVE, NEGATIVE, { site: "blocks.0.hook_resid_post" });
    const steered = model.runWithHooks([[0, 2, 0]], { hooks: [steer(vector, { coefficient: 1.5, pos: [1, 3] })] });
    const value = Float32Array.from({ length: 24 }, (_, i) => 1.5 * vector.vector.data[i % 12]);
    const edited = model.runWithHooks([[0, 2, 0]], { hooks: [["blocks.0.hook_resid_post", { kind: "add", value, at: { pos: [1, 3] } }]] });
    expect([...steered.data]).toEqual([...edited.data]);
    const answer = (t: number): number => (steered.at(0, t, 1) > steered.at(0, t, 0) ? 1 : 0);
    expect([0, 1, 2].map(answer)).toEqual([0, 1, 1]);
    model.dispose();
  });

  it("works inside of a generation, at all positions or some, as an add edit does", async () => {
    const { packed, twin } = packedAndTwin(core, 2);
    const tokens = async (hooks: readonly (readonly [string, Edit])[]): Promise<number[]> => {
      const out: number[] = [];
      for await (const step of packed.generate([[1, 2, 3]], { maxTokens: 6, stopTokens: [], hooks })) out.push(step.token);
      return out;
    };
    const vector = steeringVector(
      packed,
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
      { site: "blocks.1.hook_resid_pre" },
    );
    const value = vector.vector.data.map((x) => 8 * x);
    const steered = await tokens([steer(vector, { coefficient: 8 })]);
    expect(steered).toEqual(await tokens([["blocks.1.hook_resid_pre", { kind: "add", value }]]));
    expect(steered).not.toEqual(await tokens([]));
    const late = await tokens([steer(vector, { coefficient: 8, pos: [4, 9] })]);
    expect(late.slice(0, 2)).toEqual((await tokens([])).slice(0, 2));
    packed.dispose();
    twin.dispose();
  });

  it("is an edit of a sweep", async () => {
    const { packed, twin } = packedAndTwin(core, 2);
    const vector = steeringVector(packed, [[1, 2]], [[5, 6]], { site: "blocks.1.hook_resid_pre" });
    const hooks = [0.5, -2].map((coefficient) => steer(vector, { coefficient, pos: [0, 3] }));
    for await (const { index, logits } of packed.sweep(
      [[1, 2, 3]],
      hooks.map((hook) => ({ edits: [hook] })),
    ))
      if (index >= 0) expect(relative(logits.data, packed.runWithHooks([[1, 2, 3]], { hooks: [hooks[index]] }).data)).toBeLessThan(1e-5);
    packed.dispose();
    twin.dispose();
  });

  it("steers a packed model's text as its dense twin's", async () => {
    const { packed, twin } = await storedAndTwin(core, 5);
    const said = async (model: Model): Promise<number[]> => {
      const vector = steeringVector(model, [[1, 2]], [[5, 6]], { site: "blocks.0.hook_resid_post" });
      const out: number[] = [];
      for await (const step of model.generate([[4, 2]], { maxTokens: 8, stopTokens: [], hooks: [steer(vector, { coefficient: 3 })] }))
        out.push(step.token);
      return out;
    };
    expect(await said(packed)).toEqual(await said(twin));
    packed.dispose();
    twin.dispose();
  });

  it("steers one head", () => {
    const { packed, twin } = packedAndTwin(core, 2);
    const vector = steeringVector(packed, [[1, 2]], [[5, 6]], { site: "blocks.0.attn.hook_z", head: 1 });
    expect(vector.vector.shape).toEqual([8]);
    const { cache } = packed.runWithCache([[1, 2]], { names: "blocks.0.attn.hook_z", hooks: [steer(vector, { pos: [0, 2] })] });
    const plain = packed.runWithCache([[1, 2]], { names: "blocks.0.attn.hook_z" }).cache.get("blocks.0.attn.hook_z");
    const z = cache.get("blocks.0.attn.hook_z");
    for (const t of [0, 1]) for (let j = 0; j < 8; j++) expect(z.at(0, t, 1, j)).toBeCloseTo(plain.at(0, t, 1, j) + vector.vector.at(j), 5);
    expect([...z.slice("head", 0).data]).toEqual([...plain.slice("head", 0).data]);
    packed.dispose();
    twin.dispose();
  });

  it("refuses what cannot be", () => {
    const { model } = twoBits();
    const at = { site: "hook_embed" };
    const vector = steeringVector(model, POSITIVE, NEGATIVE, at);
    expect(codeOf(() => steeringVector(model, POSITIVE, NEGATIVE.slice(1), { ...at, method: "contrastive" }))).toBe("E_SHAPE");
    expect(codeOf(() => steeringVector(model, POSITIVE, NEGATIVE, { ...at, method: "other" as "principal" }))).toBe("E_MODE");
    expect(codeOf(() => steeringVector(model, POSITIVE, NEGATIVE, { site: "blocks.0.hook_resid_*" }))).toBe("E_NAME");
    expect(codeOf(() => steeringVector(model, POSITIVE, NEGATIVE, { ...at, pos: 2 }))).toBe("E_RANGE");
    expect(codeOf(() => steeringVector(model, POSITIVE, NEGATIVE, { ...at, controls: 0.5 }))).toBe("E_RANGE");
    expect(codeOf(() => steer(vector, { coefficient: Number.NaN }))).toBe("E_RANGE");
    expect(codeOf(() => steer(vector, { pos: [2, 2] }))).toBe("E_RANGE");
    expect(codeOf(() => model.runWithHooks([[1, 2]], { hooks: [steer(vector, { pos: [0, 3] })] }))).toBe("E_RANGE");
    expect(model.forward([[1]]).size).toBe(2);
    model.dispose();
  });
});
