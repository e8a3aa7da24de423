/** Probes, steering vectors, subspaces and DAS on planted structure, which they have to find, and on none, which they must not. */
import { type Core, type Model, Tensor, type TransformerOptions, Model as TritlensModel } from "tritlens";
import {
  exampleParts,
  fitDas,
  fitLogisticProbe,
  fitRidgeProbe,
  fitSparseProbes,
  orthonormalBasis,
  projectionKernel,
  ridge,
  siteActivations,
  steer,
  steeringVector,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

const normal = (seed: number, n: number, d: number): Tensor => {
  const data = new Float32Array(n * d);
  core.random(seed, 0, 1, data);
  return Tensor.from(data, [n, d], ["example", "feature"]);
};
const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => Array.from(x).reduce((sum, v, i) => sum + v * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};
const relative = (found: ArrayLike<number>, expected: ArrayLike<number>): number =>
  Math.max(...Array.from(expected, (y, i) => Math.abs(y - found[i]))) / Math.max(...Array.from(expected, Math.abs));
const codeOfAsync = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "nothing",
    (error) =>
      codeOf(() => {
        throw error;
      }),
  );

/** Rows of noise, with `strength` times a direction added where the label is 1. */
function planted(n = 400, d = 20, strength = 3): { x: Tensor; labels: Int32Array; direction: Float32Array } {
  const x = normal(1, n, d);
  const direction = orthonormalBasis(normal(2, 1, d)).data;
  const labels = Int32Array.from({ length: n }, (_, e) => (e * 7 + (e >> 3)) % 2);
  for (let i = 0; i < x.data.length; i++) x.data[i] += labels[Math.floor(i / d)] * strength * direction[i % d];
  return { x, labels, direction };
}

describe("activations as rows", () => {
  it.each(["hook_embed", "blocks.0.hook_resid_pre", "blocks.0.attn.hook_z", "blocks.1.hook_resid_post", "ln_final.hook_normalized"])(
    "are those of one run, whatever the parts: %s",
    (site) => {
      const { packed, twin } = packedAndTwin(core, 6);
      const tokens = Array.from({ length: 5 }, (_, i) => [i, 2 * i, 3, 18 - i]);
      const whole = packed.runWithCache(tokens, { names: site }).cache.get(site);
      const width = whole.size / 20;
      expect(relative(siteActivations(packed, tokens, site, { pos: "all" }).data, whole.data)).toBeLessThan(1e-6);
      const some = siteActivations(packed, tokens, site, { pos: [0, 1, 2, 3, -1] });
      expect(some.shape).toEqual([5, width]);
      const at = (b: number, t: number): number[] => [...whole.data.subarray((b * 4 + t) * width, (b * 4 + t + 1) * width)];
      expect(
        relative(
          some.data,
          [0, 1, 2, 3, 3].flatMap((t, b) => at(b, t)),
        ),
      ).toBeLessThan(1e-6);
      const parts = [...exampleParts(packed, tokens, [site], { partSize: 1 })];
      expect(parts.map(({ from, batch }) => [from, batch])).toEqual([0, 1, 2, 3, 4].map((from) => [from, 1]));
      expect(
        relative(
          parts.flatMap(({ cache }) => [...cache.get(site).data]),
          whole.data,
        ),
      ).toBeLessThan(1e-6);
      packed.dispose();
      twin.dispose();
    },
  );
});

describe("ridge regression", () => {
  it("is least squares without a penalty: exact data come back", () => {
    const [x, w] = [normal(3, 50, 4), normal(4, 4, 2)];
    const y = Float32Array.from({ length: 100 }, (_, i) => {
      const [e, o] = [Math.floor(i / 2), i % 2];
      return [0, 1, 2, 3].reduce((sum, j) => sum + x.at(e, j) * w.at(j, o), 5 + o);
    });
    const { weight, bias } = ridge(x, Tensor.from(y, [50, 2]), { l2: 0, core });
    expect(relative(weight.data, w.data)).toBeLessThan(1e-5);
    expect([...bias.data].map((b) => Math.round(b * 1e4) / 1e4)).toEqual([5, 6]);
  });
  it("has the closed form of one feature", () => {
    const x = Tensor.from(Float32Array.of(1, 2, 3, 6), [4, 1]);
    const y = Tensor.from(Float32Array.of(2, 1, 5, 8), [4, 1]);
    // Centred: x -2 -1 0 3, y -2 -3 1 4; x.y = 19, x.x = 14.
    expect(ridge(x, y, { l2: 0.5, core }).weight.at(0, 0)).toBeCloseTo(19 / 21, 5);
  });
  it("refuses what has no answer", () => {
    const twice = Tensor.from(Float32Array.of(1, 1, 2, 2, 4, 4), [3, 2]);
    const y = Tensor.from(Float32Array.of(1, 2, 3), [3, 1]);
    expect(codeOf(() => ridge(twice, y, { l2: 0, core }))).toBe("E_NONFINITE");
    expect(codeOf(() => ridge(twice, y.reshape([3]), { core }))).toBe("E_SHAPE");
    expect(codeOf(() => ridge(twice, y.slice(0, [0, 2]), { core }))).toBe("E_SHAPE");
    expect(codeOf(() => ridge(twice, y, { l2: -1, core }))).toBe("E_RANGE");
    expect(ridge(Tensor.from(new Float32Array(6), [3, 2]), y, { core }).weight.data.every((w) => w === 0)).toBe(true);
  });
});

describe("probes", () => {
  it("logistic: finds a planted direction, shuffled labels do not", async () => {
    const { x, labels, direction } = planted();
    const probe = await fitLogisticProbe(x, labels, { core, l2: 1e-2 });
    expect(probe.score).toBeGreaterThan(0.88);
    expect(probe.control.scores).toHaveLength(10);
    expect(probe.control.mean).toBeLessThan(0.6);
    expect(probe.control.p).toBeCloseTo(1 / 11, 12);
    expect(cosine(probe.direction(), direction)).toBeGreaterThan(0.9);
    expect(probe.predict(x).filter((c, e) => c === labels[e]).length / 400).toBeGreaterThan(0.88);
    expect(probe.chance).toBeLessThan(0.6);
  });
  it("logistic: finds nothing in noise", async () => {
    const { labels } = planted();
    const probe = await fitLogisticProbe(normal(9, 400, 20), labels, { core });
    expect(Math.abs(probe.score - probe.control.mean)).toBeLessThan(0.12);
    expect(probe.control.p).toBeGreaterThan(0.1);
  });
  it("logistic: three classes and the optimum of one feature", async () => {
    const { x } = planted(300);
    const labels = Int32Array.from({ length: 300 }, (_, e) => (x.at(e, 0) < -0.5 ? 0 : x.at(e, 0) < 0.5 ? 1 : 2));
    const probe = await fitLogisticProbe(x, labels, { core, controls: 2 });
    expect(probe.score).toBeGreaterThan(0.85);
    expect(codeOf(() => probe.direction())).toBe("E_MODE");
  });
  it("ridge: finds a planted number, shuffled ones do not", () => {
    const { x, direction } = planted();
    const y = Float32Array.from({ length: 400 }, (_, e) => direction.reduce((sum, u, j) => sum + u * x.at(e, j), 0));
    const probe = fitRidgeProbe(x, y, { core });
    expect(probe.score).toBeGreaterThan(0.99);
    expect(probe.control.scores).toHaveLength(20);
    expect(Math.max(...probe.control.scores)).toBeLessThan(0.2);
    expect(cosine(probe.map.weight.data, direction)).toBeGreaterThan(0.999);
    expect(relative(probe.predict(x).data, y)).toBeLessThan(0.05);
    const noise = fitRidgeProbe(normal(9, 400, 20), y, { core });
    expect(noise.score).toBeLessThan(0.1);
    expect(noise.control.p).toBeGreaterThan(0.05);
  });
  it("sparse: finds the planted neurons in order, and says what chance would find", async () => {
    const x = normal(1, 400, 50);
    const labels = Int32Array.from({ length: 400 }, (_, e) => e % 2);
    for (let e = 0; e < 400; e++)
      for (const [j, strength] of [
        [17, 1.5],
        [31, 1.1],
      ] as const)
        x.data[e * 50 + j] += labels[e] * strength;
    const sweep = await fitSparseProbes(x, labels, [1, 2, 4], { core, controls: 4 });
    expect(sweep.probes.map((p) => p.features.slice(0, 2))).toEqual([[17], [17, 31], [17, 31]]);
    expect(sweep.probes[1].score).toBeGreaterThan(sweep.probes[0].score);
    for (const { control } of sweep.probes) expect(control.mean).toBeLessThan(0.65);
    expect(sweep.chart().series[0].values).toHaveLength(3);
  });
  it("are the same for the same seed, and draw themselves", async () => {
    const { x, labels } = planted();
    const [a, b] = await Promise.all([1, 1].map((seed) => fitLogisticProbe(x, labels, { core, seed, controls: 1 })));
    expect([...a.map.weight.data]).toEqual([...b.map.weight.data]);
    expect([...a.control.scores]).toEqual([...b.control.scores]);
    expect(a.chart().series[0].values).toHaveLength(3);
    expect(a.svg()).toContain("<svg");
  });
  it("refuse what cannot be", async () => {
    const { x, labels } = planted(20, 3);
    const bad = Tensor.from(x.data.with(4, Number.NaN), x.shape, x.axes);
    const cases: [() => unknown, string][] = [
      [() => fitLogisticProbe(x, labels.slice(1), { core }), "E_SHAPE"],
      [() => fitLogisticProbe(x.reshape([60]), labels, { core }), "E_SHAPE"],
      [() => fitLogisticProbe(bad, labels, { core }), "E_NONFINITE"],
      [
        () =>
          fitLogisticProbe(
            x,
            labels.map(() => 1),
            { core },
          ),
        "E_RANGE",
      ],
      [
        () =>
          fitLogisticProbe(
            x,
            Float32Array.from(labels, (c) => c + 0.5),
            { core },
          ),
        "E_RANGE",
      ],
      [() => fitLogisticProbe(x, labels, { core, l2: 0 }), "E_RANGE"],
      [() => fitLogisticProbe(x, labels, { core, holdout: 1 }), "E_RANGE"],
      [() => fitLogisticProbe(x, labels, { core, controls: -1 }), "E_RANGE"],
      [() => fitRidgeProbe(bad, labels, { core }), "E_NONFINITE"],
      [
        () =>
          fitRidgeProbe(
            x,
            Float32Array.from(labels, () => Number.NaN),
            { core },
          ),
        "E_NONFINITE",
      ],
      [() => fitRidgeProbe(x, labels, { core, holdout: 0 }), "E_RANGE"],
      [() => fitRidgeProbe(x, new Float32Array(20).fill(2), { core }), "E_RANGE"],
    ];
    for (const [call, code] of cases) expect(await codeOfAsync((async () => call())())).toBe(code);
    expect(await codeOfAsync(fitLogisticProbe(x, labels, { core, signal: AbortSignal.abort() }))).toBe("E_ABORTED");
    expect(await codeOfAsync(fitSparseProbes(x, labels, [4], { core }))).toBe("E_RANGE");
    expect(await codeOfAsync(fitSparseProbes(x, labels, [], { core }))).toBe("E_RANGE");
    expect(await codeOfAsync(fitSparseProbes(x, labels, [1], { core, signal: AbortSignal.abort() }))).toBe("E_ABORTED");
  });
});

describe("subspaces", () => {
  it("overlap by their principal angles", () => {
    const plane = Tensor.from(Float32Array.of(1, 0, 0, 0, 1, 0), [2, 3]);
    const tilted = Tensor.from(Float32Array.of(2, 0, 0, 0, Math.cos(0.3), Math.sin(0.3)), [2, 3]);
    expect(projectionKernel(plane, tilted)).toBeCloseTo((1 + Math.cos(0.3) ** 2) / 2, 6);
    expect(projectionKernel(plane, Tensor.from(Float32Array.of(3, 4, 0), [1, 3]))).toBeCloseTo(1, 6);
    expect(projectionKernel(plane, Tensor.from(Float32Array.of(0, 0, 2), [1, 3]))).toBeCloseTo(0, 6);
    expect(codeOf(() => projectionKernel(plane, Tensor.from(new Float32Array(3), [1, 3])))).toBe("E_SHAPE");
    expect(codeOf(() => projectionKernel(plane, Tensor.from(new Float32Array(4).fill(1), [1, 4])))).toBe("E_SHAPE");
    expect(codeOf(() => orthonormalBasis(Tensor.from(Float32Array.of(Number.NaN), [1, 1])))).toBe("E_NONFINITE");
    expect(orthonormalBasis(Tensor.from(Float32Array.of(1, 1, 2, 2), [2, 2])).shape).toEqual([1, 2]);
  });
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
  const model = TritlensModel.fromConfig({ ...config, normalization: "none", attnBias: false, unembedBias: false, ...change }, { core });
  const basis = orthonormalBasis(normal(21, 2, 12)).data;
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

  it("finds the rotated direction that carries a variable, where random ones do not", async () => {
    const { model, first, second } = twoBits();
    const das = await fitDas(model, pairs(), { site: "hook_embed", steps: 150 });
    expect(Math.abs(cosine(das.basis.data, first))).toBeGreaterThan(0.99);
    expect(projectionKernel(das.basis, Tensor.from(second.slice(), [1, 12]))).toBeLessThan(0.02);
    expect(das.accuracy).toMatchObject({ learned: 1, whole: 1 });
    expect(Math.max(...das.accuracy.random)).toBeLessThan(1);
    expect(das.accuracy.none).toBeLessThan(0.8);
    expect(das.losses[149]).toBeLessThan(das.losses[0]);
    expect(das.chart().x.labels).toEqual(["nothing", "random", "learned", "everything"]);
    model.dispose();
  });

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
    const tokens = async (hooks: readonly (readonly [string, import("tritlens").Edit])[]): Promise<number[]> => {
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

describe("twins", () => {
  it.each(["latent", "stored"])("give the same probes, vectors and subspaces: %s ternary weights and their dense copy", async (kind) => {
    const { packed, twin } = kind === "latent" ? packedAndTwin(core, 1) : await storedAndTwin(core, 1);
    const texts = Array.from({ length: 96 }, (_, i) => [(i * 5) % 19, (i * 11 + (i >> 2)) % 19, i % 2]);
    const labels = texts.map((t) => t[1] % 2);
    const site = "blocks.1.hook_resid_post";
    const both = <T>(f: (model: Model) => T): [T, T] => [f(packed), f(twin)];
    const [a, b] = await Promise.all(both((model) => fitLogisticProbe(siteActivations(model, texts, site), labels, { core, l2: 0.1, controls: 3 })));
    expect(relative(a.map.weight.data, b.map.weight.data)).toBeLessThan(1e-5);
    expect([...a.control.scores, a.score]).toEqual([...b.control.scores, b.score]);
    const [r, s] = both((model) => fitRidgeProbe(siteActivations(model, texts, site), labels, { core }));
    expect(r.score).toBeCloseTo(s.score, 5);
    const [v, w] = both((model) => steeringVector(model, texts.slice(0, 40), texts.slice(40), { site }));
    expect(relative(v.vector.data, w.vector.data)).toBeLessThan(1e-5);
    packed.dispose();
    twin.dispose();
  });
});
