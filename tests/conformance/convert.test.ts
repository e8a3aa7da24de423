/** Converting, writing and comparing models on every backend: the same codes, the same bytes, the same verdicts. */
import { createHash } from "node:crypto";
import { type Core, compareModels, convertModel, foldLn, Model, memorySink, openGguf, saveModel, type TransformerOptions } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { coreUnderTest } from "./support.ts";

const llama: TransformerOptions = {
  ...{ nLayers: 2, dModel: 256, dHead: 64, nHeads: 4, nKeyValueHeads: 2, dMlp: 256, nCtx: 16, dVocab: 20, normalization: "RMS", actFn: "silu" },
  ...{ gatedMlp: true, positions: "rotary", attnBias: false, mlpBias: false, unembedBias: false },
};
const tokens = [[1, 2, 3, 4, 5, 6, 7, 19]];
let core: Core;
let dense: Model;

beforeAll(async () => {
  core = await coreUnderTest();
  dense = Model.fromConfig(llama, { seed: 2 });
});

async function gguf(model: Model, options: object): Promise<Uint8Array> {
  const sink = memorySink();
  await saveModel(model, () => sink, { format: "gguf", ...options });
  return sink.bytes;
}

describe("converting and writing", () => {
  it.each([
    ["tq1_0", { format: "ternary", granularity: "row" }, "TQ1"],
    ["tq2_0", { format: "ternary", method: "twnExact", granularity: "group", groupSize: 256 }, "TQ2"],
    ["q1_0", { format: "binary", granularity: "group", groupSize: 128 }, "Q1"],
  ] as const)("gives the bytes of a %s file that every backend gives", async (ggufType, options, key) => {
    const { model } = await convertModel(dense, { ...options, tokens: null });
    const bytes = await gguf(model, { ggufType });
    const { tensors } = await openGguf(bytes);
    const byName = [...tensors.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const hash = createHash("sha256");
    for (const t of byName) hash.update(bytes.subarray(t.offset, t.offset + t.byteLength));
    expect(hash.digest("hex").slice(0, 16)).toBe(BYTES[key]);
    using back = await Model.fromPretrained(bytes, { core });
    const [x, y] = [back.forward(tokens).data, model.forward(tokens).data];
    expect(Math.max(...x.map((v, i) => Math.abs(v - (y[i] as number))))).toBeLessThan(1e-5 * Math.max(...y.map(Math.abs)));
  });

  it("packs for transformers, and reads it back with integer products", async () => {
    const { model } = await convertModel(dense, { format: "ternary", activations: "int8", tokens: null });
    const files = new Map<string, ReturnType<typeof memorySink>>();
    const target = (name: string) => files.set(name, memorySink()).get(name) as ReturnType<typeof memorySink>;
    await saveModel(model, target, { format: "hf-bitnet" });
    using back = await Model.fromPretrained(
      [...files].map(([name, { bytes }]) => new File([bytes], name)),
      { core },
    );
    expect(back.forward(tokens).data).toEqual(model.forward(tokens).data);
  });

  it("compares a packed model with the dense one it came from", async () => {
    const { model, report } = await convertModel(dense, { format: "ternary", names: "blocks.1.*.*", tokens });
    const comparison = await compareModels(dense, model, tokens);
    expect(comparison.site("blocks.0.hook_resid_post").relativeError).toBeLessThan(1e-6);
    expect(comparison.site("blocks.1.attn.hook_v").relativeError).toBeGreaterThan(0.1);
    expect(comparison.logits.kl).toBeCloseTo(report.toJSON().logits?.kl as number, 9);
  });

  it("refuses what would lose something, and folding into codes", async () => {
    const { model } = await convertModel(dense, { format: "ternary", halfScales: false, tokens: null });
    await expect(gguf(model, {})).rejects.toThrow(/E_FORMAT.*lossy/);
    expect(() => foldLn(model)).toThrow(/E_MODE.*ternary2/);
  });
});

/** The beginnings of SHA-256 of all tensors, by name. */
const BYTES = { TQ1: "f9a5124c66689704", TQ2: "adcce779369cd4ed", Q1: "6b1f9efe6cc48c9c" };
