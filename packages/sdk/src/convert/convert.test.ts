import { beforeAll, describe, expect, it } from "vitest";
import { loadCore } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { keptParams } from "../hooks/stored.ts";
import { memorySink } from "../io/index.ts";
import { type ConvertOptions, convertModel } from "./convert.ts";
import { saveModel } from "./export/save.ts";

const config = {
  nLayers: 2,
  dModel: 32,
  dHead: 8,
  nHeads: 4,
  nCtx: 16,
  dVocab: 23,
  normalization: "RMS",
  actFn: "silu",
  gatedMlp: true,
  positions: "rotary",
} as const;
let model: Model;

beforeAll(async () => {
  await loadCore();
  model = Model.fromConfig(config, { seed: 3 });
});

const matrices = (): string[] => model.paramNames.filter((n) => /^blocks\.\d\.(attn|mlp)\.W_/.test(n));

describe("convertModel", () => {
  it("packs every matrix of the blocks, and computes with what it packed", async () => {
    const { model: packed, report } = await convertModel(model, { format: "ternary" });
    const json = report.toJSON();
    expect(json.layers.map((l) => l.name)).toEqual(matrices());
    // A dense model with the same rounded weights gives the same logits.
    const dense = Model.fromConfig(config, { seed: 3 });
    for (const name of matrices()) dense.writeParam(name, packed.readParam(name).data);
    const tokens = [[1, 2, 3, 4, 5, 6]];
    const [x, y] = [packed.forward(tokens).data, dense.forward(tokens).data];
    expect(Math.max(...x.map((v, i) => Math.abs(v - (y[i] as number))))).toBeLessThan(1e-5 * Math.max(...y.map(Math.abs)));
    expect(packed.siteNames).toEqual(model.siteNames);
    expect(packed.readParam("embed.W_E").data).toEqual(model.readParam("embed.W_E").data);
    expect(json.lossy).toBe(true);
    expect(json.warning).toMatch(/^LOSSY.*train with the quantiser/);
    expect(json.logits?.kl).toBeGreaterThan(0);
  });

  it("reports errors that agree with the weights", async () => {
    const { model: packed, report } = await convertModel(model, { format: "binary", granularity: "row", tokens: null });
    for (const l of report.toJSON().layers) {
      const [a, b] = [model.readParam(l.name).data, packed.readParam(l.name).data];
      expect(l.relativeError).toBeCloseTo(Math.hypot(...a.map((x, i) => x - (b[i] as number))) / Math.hypot(...a), 5);
      expect(l.zeros).toBe(0);
      expect(l.scales[1]).toBeGreaterThanOrEqual(l.scales[0]);
    }
    expect(report.toJSON().logits).toBeNull();
    expect(String(report)).toMatch(/logits were not compared/);
  });

  it("converts the layers and matrices it is told to", async () => {
    const { report } = await convertModel(model, { format: "ternary", layers: [1], names: "blocks.*.mlp.*" });
    expect(report.toJSON().layers.map((l) => l.name)).toEqual(["blocks.1.mlp.W_gate", "blocks.1.mlp.W_in", "blocks.1.mlp.W_out"]);
    expect(report.toJSON().kept.length).toBe(11);
    expect(String(report)).toMatch(/kept as they were: blocks\.0\.attn\.W_Q/);
  });

  it("keeps the codes of a trained quantiser", async () => {
    const trained = Model.fromConfig({ ...config, quantizer: "ternary" }, { seed: 4 });
    const { model: packed, report } = await convertModel(trained, { format: "ternary" });
    const json = report.toJSON();
    expect(json.lossy).toBe(false);
    expect(new Set(json.layers.map((l) => l.method))).toEqual(new Set(["trained"]));
    expect(Math.max(...json.layers.map((l) => l.relativeError))).toBeLessThan(1e-6);
    const tokens = [[1, 2, 3, 4, 5, 6]];
    const [x, y] = [packed.forward(tokens).data, trained.forward(tokens).data];
    expect(Math.max(...x.map((v, i) => Math.abs(v - (y[i] as number))))).toBeLessThan(1e-5 * Math.max(...y.map(Math.abs)));
    expect(json.warning).toMatch(/^lossless/);
  });

  it("quantises activations of converted matrices when told to, with the sites of the quantiser", async () => {
    const { model: packed } = await convertModel(model, { format: "ternary", activations: "int8", layers: [0] });
    expect(packed.siteNames).toContain("blocks.0.attn.q.hook_in_codes");
    expect(packed.siteNames).not.toContain("blocks.1.attn.q.hook_in_codes");
  });

  it("remembers the checkpoint, with the sizes that matrices have now", async () => {
    const sinks = new Map<string, ReturnType<typeof memorySink>>();
    const plain = { ...config, attnBias: false, mlpBias: false, unembedBias: false };
    const target = (file: string) => sinks.set(file, memorySink()).get(file) as ReturnType<typeof memorySink>;
    await saveModel(Model.fromConfig(plain, { seed: 1 }), target, { format: "safetensors" });
    const files = [...sinks].map(([name, sink]) => Object.assign(new Blob([sink.bytes]), { name }));
    using loaded = await Model.fromPretrained(files);
    for (const granularity of ["tensor", "row", "group"] as const) {
      const { model: packed } = await convertModel(loaded, {
        format: "ternary",
        granularity,
        groupSize: 8,
        shift: granularity !== "tensor",
        tokens: null,
      });
      expect(packed.checkpoint?.source).toBe(loaded.checkpoint?.source);
      for (const p of keptParams(packed).filter((q) => q.stored)) {
        const found = packed.checkpoint?.weights.find((w) => w.param === p.name);
        expect(found).toMatchObject({ format: p.format, bytes: packed.core.describeStored(packed.program, p.index).bytes });
      }
    }
  });

  it("says how far it is, and stops", async () => {
    const seen: number[] = [];
    await convertModel(model, { format: "ternary", tokens: null, onProgress: (e) => seen.push(e.progress) });
    expect(seen.at(-1)).toBe(100);
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    const stop = new AbortController();
    const running = convertModel(model, { format: "ternary", signal: stop.signal, onProgress: (e) => e.progress > 30 && stop.abort() });
    await expect(running).rejects.toThrow(/E_ABORTED/);
  });

  it("refuses wrong choices and leaves the model as it is", async () => {
    const refuse = (options: object, what: RegExp) => expect(convertModel(model, options as ConvertOptions)).rejects.toThrow(what);
    await refuse({ format: "ternary", names: "blocks.*.mlp.W_inn" }, /E_NAME.*unknown matrix/);
    await refuse({ format: "ternary", layers: [7] }, /E_RANGE.*0 to 1/);
    await refuse({ format: "ternary", granularity: "group", groupSize: 24 }, /E_SHAPE/);
    await refuse({ format: "int4" }, /E_NAME/);
    const bad = Model.fromConfig(config, { seed: 3 });
    bad.writeParam("blocks.0.mlp.W_in", new Float32Array(32 * 128).fill(Number.NaN));
    await expect(convertModel(bad, { format: "ternary" })).rejects.toThrow(/E_NONFINITE/);
    await expect(convertModel(Model.fromSpec(model.spec), { format: "ternary" })).rejects.toThrow(/E_SPEC/);
  });
});
