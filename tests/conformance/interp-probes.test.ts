/** Probes on planted structure, which they have to find, and on none, which they must not. */
import { type Core, type Model, Tensor } from "tritlens";
import {
  exampleParts,
  fitLogisticProbe,
  fitRidgeProbe,
  fitSparseProbes,
  orthonormalBasis,
  projectionKernel,
  ridge,
  siteActivations,
  steeringVector,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { codeOfAsync, cosine, normal, relative } from "../support/planted.ts";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

/** Rows of noise, with `strength` times a direction added where the label is 1. */
function planted(n = 400, d = 20, strength = 3): { x: Tensor; labels: Int32Array; direction: Float32Array } {
  const x = normal(core, 1, n, d);
  const direction = orthonormalBasis(normal(core, 2, 1, d)).data;
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
    const [x, w] = [normal(core, 3, 50, 4), normal(core, 4, 4, 2)];
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
    const probe = await fitLogisticProbe(normal(core, 9, 400, 20), labels, { core });
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
    const noise = fitRidgeProbe(normal(core, 9, 400, 20), y, { core });
    expect(noise.score).toBeLessThan(0.1);
    expect(noise.control.p).toBeGreaterThan(0.05);
  });
  it("sparse: finds the planted neurons in order, and says what chance would find", async () => {
    const x = normal(core, 1, 400, 50);
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
