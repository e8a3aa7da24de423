import { beforeAll, describe, expect, it } from "vitest";
import { loadCore } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { Tensor } from "../tensor/index.ts";
import { compareModels } from "./compare.ts";
import { Differences, LogitDifferences } from "./differences.ts";

const config = { nLayers: 2, dModel: 16, dHead: 4, nHeads: 4, nCtx: 8, dVocab: 11, normalization: "LN" } as const;
const tokens = [
  [1, 2, 3, 4, 5],
  [6, 7, 8, 9, 10],
  [3, 3, 0, 1, 2],
];
let model: Model;

beforeAll(async () => {
  await loadCore();
  model = Model.fromConfig(config, { seed: 1 });
});

/** The same model, with one parameter scaled. */
function changed(name: string, factor: number): Model {
  const copy = Model.fromConfig(config, { seed: 1 });
  copy.writeParam(
    name,
    copy.readParam(name).data.map((x) => factor * x),
  );
  return copy;
}

describe("compareModels", () => {
  it("finds nothing between a model and itself", async () => {
    const comparison = await compareModels(model, model, tokens);
    expect(comparison.sites.map((s) => s.name)).toEqual(model.siteNames);
    for (const s of comparison.sites) expect([s.relativeError, s.kl ?? 0, Math.abs(s.cosine - 1) < 1e-12]).toEqual([0, 0, true]);
    expect(comparison.logits).toMatchObject({ kl: 0, top1: 1, relativeError: 0, rows: 15 });
  });

  it("measures what a scaled matrix does where it does it, and nothing before", async () => {
    const comparison = await compareModels(model, changed("blocks.1.attn.W_V", 1.5), tokens);
    const v = comparison.site("blocks.1.attn.hook_v");
    expect(v.relativeError).toBeCloseTo(0.5, 5);
    expect(v.cosine).toBeCloseTo(1, 6);
    expect(v.heads.length).toBe(4);
    for (const h of v.heads) expect(h.relativeError).toBeCloseTo(0.5, 5);
    for (const s of comparison.sites.slice(0, comparison.sites.indexOf(v))) expect(s.relativeError).toBe(0);
    expect(comparison.site("blocks.1.attn.hook_pattern").kl).toBe(0);
    expect(comparison.logits.kl).toBeGreaterThan(0);
    expect(comparison.worst(1)[0]?.relativeError).toBeGreaterThanOrEqual(0.5);
  });

  it("agrees with the definitions, head by head", async () => {
    const other = changed("blocks.0.attn.W_Q", 3);
    const name = "blocks.0.attn.hook_pattern";
    const found = (await compareModels(model, other, tokens, { names: name })).site(name);
    const [p, q] = [model, other].map((m) => m.runWithCache(tokens, { names: name }).cache.get(name)) as [Tensor, Tensor];
    for (const head of [0, 3]) {
      const [a, b] = [p.slice("head", head).data, q.slice("head", head).data];
      const kl = a.reduce((s, x, i) => s + (x > 0 ? x * Math.log(x / (b[i] as number)) : 0), 0) / (3 * 5);
      const error = Math.hypot(...a.map((x, i) => (b[i] as number) - x)) / Math.hypot(...a);
      expect(found.heads[head]?.kl).toBeCloseTo(kl, 10);
      expect(found.heads[head]?.relativeError).toBeCloseTo(error, 6);
    }
  });

  it("goes over large batches in parts with the same result", async () => {
    const other = changed("blocks.0.mlp.W_in", 1.2);
    const many = Array.from({ length: 1000 }, (_, i) => tokens[i % 3] as number[]);
    const shares: number[] = [];
    const [parts, once] = [
      await compareModels(model, other, many, { names: "blocks.*.hook_mlp_out", onProgress: (s) => shares.push(s) }),
      await compareModels(model, other, tokens, { names: "blocks.*.hook_mlp_out" }),
    ];
    expect(shares.length).toBe(2);
    expect(shares.at(-1)).toBe(1);
    expect(parts.logits.rows).toBe(5000);
    expect(parts.sites[0]?.relativeError).toBeCloseTo(once.sites[0]?.relativeError as number, 2);
  });

  it("prints a table and draws an SVG with every site and head", async () => {
    const comparison = await compareModels(model, changed("blocks.0.attn.W_K", 2), tokens);
    const text = String(comparison);
    expect(text.split("\n")[0]).toMatch(/^activation +cosine +error/);
    expect(text).toMatch(/blocks\.0\.attn\.hook_k +1\.0000 +1\.00 +█{20}/);
    expect(text).toMatch(/logits: KL .* nats, the same top class in/);
    const svg = comparison.toSvg("a < b & c");
    expect(svg).toContain("a &lt; b &amp; c");
    expect(svg.match(/<title>block [^<]*relative error/g)?.length).toBe(comparison.sites.length);
    expect(svg.match(/<title>block \d, head \d: KL/g)?.length).toBe(8);
    expect(JSON.parse(JSON.stringify(comparison)).sites.length).toBe(comparison.sites.length);
  });

  it("refuses other architectures, wrong names, and stops", async () => {
    const wide = Model.fromConfig({ ...config, dModel: 20 }, { seed: 1 });
    await expect(compareModels(model, wide, tokens)).rejects.toThrow(/E_SHAPE.*cannot be compared/);
    await expect(compareModels(model, model, tokens, { names: "blocks.0.hook_residpost" })).rejects.toThrow(/E_NAME.*did you mean/);
    await expect(compareModels(model, model, tokens, { signal: AbortSignal.abort() })).rejects.toThrow(/E_ABORTED/);
  });
});

describe("sums", () => {
  it("leave masked scores out and take zeros for what they are", () => {
    const sums = new Differences(1, false);
    sums.add(Float32Array.of(Number.NEGATIVE_INFINITY, 3), Float32Array.of(Number.NEGATIVE_INFINITY, 4), 2, 2);
    expect(sums.total()).toEqual({ cosine: 1, relativeError: 1 / 3 });
    const zeros = new Differences(1, false);
    zeros.add(new Float32Array(2), new Float32Array(2), 2, 2);
    expect(zeros.total()).toEqual({ cosine: 1, relativeError: 0 });
  });

  it("compare logits through softmax", () => {
    const logits = new LogitDifferences();
    const of = (...x: number[]): Tensor => Tensor.from(Float32Array.from(x), [1, x.length]);
    logits.add(of(0, Math.log(3)), of(0, 0));
    expect(logits.read().kl).toBeCloseTo(0.25 * Math.log(0.5) + 0.75 * Math.log(1.5), 6);
    expect(logits.read().top1).toBe(0);
  });
});
