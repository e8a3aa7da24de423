/** Every checkpoint of the oracles, written in each format it fits into and read back: the same logits. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertModel, loadCore, loadPretrained, Model, openGguf, parseSafetensors, type StoredTensor, saveModel, toTensor } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { difference, ORACLES, oracle } from "./support.ts";

const FOLDER = `${ORACLES}/huggingface`;
const CASES = readdirSync(FOLDER).filter((name) => existsSync(`${FOLDER}/${name}/expected.safetensors`));
/** Sums of products in another order (a matrix kept in another format may run through another kernel). */
const TOL = 1e-5;
let scratch: string;

beforeAll(async () => {
  await loadCore();
  scratch = mkdtempSync(join(tmpdir(), "tritlens-save-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function tokensOf(name: string): number[][] {
  const t = toTensor(oracle(`huggingface/${name}/expected.safetensors`).get("tokens") as StoredTensor);
  const width = t.shape[1] as number;
  return Array.from({ length: t.shape[0] as number }, (_, r) => [...t.data.subarray(r * width, (r + 1) * width)]);
}

async function expectSame(model: Model, path: string, tokens: number[][]): Promise<void> {
  using back = await loadPretrained(path);
  expect(difference(back.forward(tokens).data, model.forward(tokens).data)).toBeLessThanOrEqual(TOL);
}

describe.each(CASES)("%s", (name) => {
  it("as GGUF", async () => {
    using model = await loadPretrained(`${FOLDER}/${name}`);
    const path = join(scratch, `${name}.gguf`);
    if (model.config?.linearNorm) {
      // GGUF has no names for norms of single matrices.
      await expect(saveModel(model, path, { format: "gguf" })).rejects.toThrow(/E_SPEC.*linearNorm/);
      return;
    }
    const saved = await saveModel(model, path, { format: "gguf" });
    expect(saved.architecture).toBe(model.checkpoint?.architecture);
    await expectSame(model, path, tokensOf(name));
  });

  it("as a folder of transformers", async () => {
    using model = await loadPretrained(`${FOLDER}/${name}`);
    const packed = model.config?.actQuant === "int8";
    const path = join(scratch, name);
    if (packed) await expect(saveModel(model, path, { format: "safetensors" })).rejects.toThrow(/E_MODE.*int8/);
    const saved = await saveModel(model, path, { format: packed ? "hf-bitnet" : "safetensors" });
    expect(saved.architecture).toBe(model.checkpoint?.architecture);
    await expectSame(model, path, tokensOf(name));
  });
});

describe("bytes of the references", () => {
  const file = oracle("quantizers/quantizers.safetensors");
  const bytesOf = (name: string): Uint8Array => new Uint8Array((file.get(name) as StoredTensor).bytes);

  /** A model whose first up-projection is the oracle's matrix, with b1.58's codes. */
  async function packed(): Promise<Model> {
    const w = toTensor(file.get("W") as StoredTensor);
    const [dMlp, dModel] = w.shape as [number, number];
    const model = Model.fromConfig({
      ...{ nLayers: 1, dModel, dHead: dModel / 4, nHeads: 4, dMlp, nCtx: 8, dVocab: 12, normalization: "RMS", actFn: "silu", gatedMlp: true },
      ...{ positions: "rotary", attnBias: false, mlpBias: false, unembedBias: false },
    });
    model.writeParam("blocks.0.mlp.W_in", w.data);
    const options = { format: "ternary", method: "absmean", activations: "int8", halfScales: false, tokens: null } as const;
    return (await convertModel(model, options)).model;
  }

  it.each(["TQ1_0", "TQ2_0"] as const)("%s blocks are gguf-py's", async (type) => {
    using model = await packed();
    const path = join(scratch, `${type}.gguf`);
    await saveModel(model, path, { format: "gguf", ggufType: type.toLowerCase() as "tq1_0", lossy: true });
    const gguf = await openGguf(path);
    const t = gguf.tensors.get("blk.0.ffn_up.weight") as NonNullable<ReturnType<typeof gguf.tensors.get>>;
    const bytes = new Uint8Array(t.byteLength);
    await t.source.read(t.offset, bytes);
    await gguf.close();
    expect(bytes).toEqual(bytesOf(`gguf.${type}`));
  });

  it("packed rows are transformers's", async () => {
    using model = await packed();
    const path = join(scratch, "packed");
    await saveModel(model, path, { format: "hf-bitnet" });
    const { tensors } = parseSafetensors(readFileSync(join(path, "model.safetensors")));
    expect(new Uint8Array((tensors.get("model.layers.0.mlp.up_proj.weight") as StoredTensor).bytes)).toEqual(bytesOf("hf_packed"));
    const scale = toTensor(tensors.get("model.layers.0.mlp.up_proj.weight_scale") as StoredTensor).data[0];
    expect(scale).toBeCloseTo(toTensor(file.get("absmean.scale") as StoredTensor).data[0] as number, 8);
  });

  it("a checkpoint of transformers is written as it was read", async () => {
    for (const name of CASES.filter((n) => /offline/.test(n))) {
      using model = await loadPretrained(`${FOLDER}/${name}`);
      const path = join(scratch, `${name}-again`);
      await saveModel(model, path, { format: "hf-bitnet" });
      const [was, is] = [`${FOLDER}/${name}`, path].map((p) => parseSafetensors(readFileSync(`${p}/model.safetensors`)).tensors);
      expect([...is.keys()].sort()).toEqual([...was.keys()].sort());
      for (const [key, t] of was as Map<string, StoredTensor>) expect(is.get(key), key).toEqual(t);
    }
  });
});
