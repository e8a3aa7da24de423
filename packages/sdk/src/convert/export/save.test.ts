import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadPretrained } from "../../checkpoint/index.ts";
import { type Core, loadCore } from "../../core/index.ts";
import { foldLn, Model } from "../../hooks/index.ts";
import { keptParams } from "../../hooks/stored.ts";
import { memorySink, openGguf, parseSafetensors } from "../../io/index.ts";
import { liConfig, type TransformerOptions } from "../../models/index.ts";
import { convertModel } from "../convert.ts";
import type { SaveOptions } from "./options.ts";
import { saveModel } from "./save.ts";

const llama: TransformerOptions = {
  nLayers: 2,
  dModel: 256,
  dHead: 64,
  nHeads: 4,
  nKeyValueHeads: 2,
  dMlp: 512,
  nCtx: 16,
  dVocab: 20,
  normalization: "RMS",
  normEps: 1e-5,
  actFn: "silu",
  gatedMlp: true,
  positions: "rotary",
  attnBias: false,
  mlpBias: false,
  unembedBias: false,
};
const narrow: TransformerOptions = { ...llama, dModel: 64, dHead: 16, dMlp: 96 };
const tokens = [[1, 2, 3, 4, 5, 6, 7, 19]];
let core: Core;
let scratch: string;
let dense: Model;

beforeAll(async () => {
  core = await loadCore();
  scratch = mkdtempSync(join(tmpdir(), "tritlens-save-"));
  dense = Model.fromConfig(llama, { seed: 2 });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let files = 0;
const fresh = (): string => join(scratch, `file-${files++}`);

/** Largest difference of logits, relative to the largest logit. */
function apart(a: Model, b: Model): number {
  const [x, y] = [a.forward(tokens).data, b.forward(tokens).data];
  return Math.max(...x.map((v, i) => Math.abs(v - (y[i] as number)))) / Math.max(...x.map(Math.abs));
}

/** Saves, loads, compares, and returns formats of the loaded matrices by name. */
async function roundTrip(model: Model, options: SaveOptions): Promise<Map<string, string>> {
  const path = fresh();
  await saveModel(model, path, options);
  using back = await loadPretrained(path, { core });
  expect(apart(model, back)).toBeLessThan(1e-5);
  return new Map(keptParams(back).map((p) => [p.name, p.format]));
}

describe("packed models", () => {
  it.each(["tq1_0", "tq2_0"] as const)("ternary in %s, with scales for the tensor, rows and groups", async (ggufType) => {
    for (const granularity of ["tensor", "row", "group"] as const) {
      const { model } = await convertModel(dense, { format: "ternary", granularity, groupSize: 256, tokens: null });
      const formats = await roundTrip(model, { format: "gguf", ggufType });
      expect(formats.get("blocks.0.attn.W_Q")).toMatch(/ternary/);
    }
  });

  it("binary in q1_0", async () => {
    const { model } = await convertModel(dense, { format: "binary", granularity: "group", groupSize: 128, tokens: null });
    expect((await roundTrip(model, { format: "gguf" })).get("blocks.1.mlp.W_out")).toBe("binary");
  });

  it("ternary with int8 activations in transformers's packed folder and in a GGUF", async () => {
    const { model } = await convertModel(dense, { format: "ternary", activations: "int8", tokens: null });
    expect((await roundTrip(model, { format: "hf-bitnet" })).get("blocks.0.mlp.W_in")).toMatch(/ternary/);
    expect((await roundTrip(model, { format: "gguf" })).get("blocks.0.mlp.W_in")).toMatch(/ternary/);
    await expect(saveModel(model, fresh(), { format: "safetensors" })).rejects.toThrow(/E_MODE.*int8/);
  });

  it("some matrices of a model with int8 activations, the others named in config.json", async () => {
    const { model } = await convertModel(dense, { format: "ternary", activations: "int8", names: "blocks.*.mlp.*", tokens: null });
    const formats = await roundTrip(model, { format: "hf-bitnet" });
    expect([formats.get("blocks.0.mlp.W_in"), formats.get("blocks.0.attn.W_Q")]).toEqual([expect.stringMatching(/ternary/), "f32"]);
    await expect(saveModel(model, fresh(), { format: "gguf" })).rejects.toThrow(/E_SPEC.*plainMatrices/);
  });

  it("dense, when the folder cannot hold codes", async () => {
    const { model } = await convertModel(dense, { format: "binary", granularity: "row", shift: true, tokens: null });
    await roundTrip(model, { format: "safetensors" });
    await expect(saveModel(model, fresh(), { format: "hf-bitnet" })).rejects.toThrow(/E_MODE.*int8/);
    await expect(saveModel(model, fresh(), { format: "gguf" })).rejects.toThrow(/E_FORMAT.*Q1_0.*lossy/);
    await roundTrip(model, { format: "gguf", ggufType: "f32" });
  });

  it("rows that are no whole blocks stay floats, with a note", async () => {
    const small = Model.fromConfig(narrow, { seed: 2 });
    const { model } = await convertModel(small, { format: "ternary", tokens: null });
    const path = fresh();
    const { notes, tensors } = await saveModel(model, path, { format: "gguf", ggufType: "tq2_0" });
    expect(notes.find((n) => n.startsWith("blk.0.ffn_down"))).toBe(
      "blk.0.ffn_down.weight is F16: its rows of 96 are no whole blocks of 256 of TQ2_0",
    );
    expect(tensors.find((t) => t.name === "blk.0.attn_q.weight")?.type).toBe("F16");
    using back = await loadPretrained(path, { core });
    expect(apart(model, back)).toBeLessThan(1e-5);
    const { model: exact } = await convertModel(small, { format: "ternary", halfScales: false, tokens: null });
    expect((await saveModel(exact, fresh(), { format: "gguf" })).notes[0]).toMatch(/is F32/);
  });

  it("scales that do not fit are refused, or rounded when loss is allowed", async () => {
    const { model } = await convertModel(dense, { format: "ternary", halfScales: false, tokens: null });
    await expect(saveModel(model, fresh(), { format: "gguf" })).rejects.toThrow(/E_FORMAT.*would lose something as TQ2_0/);
    const path = fresh();
    await saveModel(model, path, { format: "gguf", lossy: true });
    using back = await loadPretrained(path, { core });
    expect(apart(model, back)).toBeLessThan(1e-2);
  });
});

describe("dense models", () => {
  it("in every type", async () => {
    await roundTrip(dense, { format: "safetensors" });
    await roundTrip(dense, { format: "gguf" });
    for (const dtype of ["f16", "bf16"] as const) {
      const path = fresh();
      await saveModel(dense, path, { format: "safetensors", dtype });
      using back = await loadPretrained(path, { core });
      expect(keptParams(back).find((p) => p.name === "embed.W_E")?.format).toBe(dtype);
      expect(apart(dense, back)).toBeLessThan(0.05);
      // Once rounded, nothing more is lost.
      expect((await roundTrip(back, { format: "gguf" })).get("blocks.0.attn.W_K")).toBe(dtype);
    }
    for (const ggufType of ["q8_0", "q4_0"] as const) {
      const path = fresh();
      await saveModel(dense, path, { format: "gguf", ggufType });
      using back = await loadPretrained(path, { core });
      expect((await roundTrip(back, { format: "gguf" })).get("blocks.0.attn.W_K")).toBe(ggufType);
    }
  });

  it("are not pressed into ternary blocks unless loss is allowed, and then as gguf-py does", async () => {
    await expect(saveModel(dense, fresh(), { format: "gguf", ggufType: "tq2_0" })).rejects.toThrow(/E_FORMAT.*lossy/);
    const path = fresh();
    await saveModel(dense, path, { format: "gguf", ggufType: "tq2_0", lossy: true });
    const w = dense.readParam("blocks.0.mlp.W_in").data;
    const expected = new Uint8Array((512 * 256 * 66) / 256);
    core.quantizeBlocks("tq2_0", w, 256, expected);
    expect(await tensorBytes(path, "blk.0.ffn_up.weight")).toEqual(expected);
  });

  it("whose norms were folded get gains of ones", async () => {
    const gpt2: TransformerOptions = { nLayers: 2, dModel: 32, dHead: 8, nHeads: 4, nCtx: 16, dVocab: 20, normalization: "LN", actFn: "gelu_new" };
    const model = Model.fromConfig(gpt2, { seed: 5 });
    model.writeParam(
      "blocks.0.ln1.w",
      model.readParam("blocks.0.ln1.w").data.map((_, i) => 1 + i / 50),
    );
    const folded = foldLn(model);
    expect(apart(model, folded)).toBeLessThan(1e-5);
    await roundTrip(folded, { format: "safetensors" });
    await roundTrip(folded, { format: "gguf" });
    // Biases of zeros may be left out; others may not.
    model.writeParam("unembed.b_U", new Float32Array(20).fill(0.5));
    await expect(saveModel(model, fresh(), { format: "gguf" })).rejects.toThrow(/E_SPEC.*unembedBias/);
  });

  it("that are trained with the b1.58 quantiser stay master weights", async () => {
    const latent = Model.fromConfig({ ...llama, quantizer: "ternary", actQuant: "int8" }, { seed: 3 });
    const path = fresh();
    await saveModel(latent, path, { format: "safetensors" });
    using back = await loadPretrained(path, { core, trainable: true });
    expect(back.readParam("blocks.0.attn.W_Q").data).toEqual(latent.readParam("blocks.0.attn.W_Q").data);
    expect(apart(latent, back)).toBeLessThan(1e-5);
    await roundTrip(latent, { format: "hf-bitnet" });
  });

  it("that no other program computes are refused with the field that differs", async () => {
    const li = Model.fromConfig(liConfig({ p: 7, mode: "fp32" }), { seed: 0 });
    await expect(saveModel(li, fresh(), { format: "gguf" })).rejects.toThrow(/E_SPEC.*gpt2: .*instead of/);
    await expect(saveModel(dense, fresh(), { format: "gguf", architecture: "gpt2" })).rejects.toThrow(/E_SPEC.*gatedMlp false instead of true/);
    await expect(saveModel(Model.fromSpec(dense.spec), fresh(), { format: "gguf" })).rejects.toThrow(/E_SPEC.*bare Spec/);
  });
});

async function tensorBytes(path: string, name: string): Promise<Uint8Array> {
  const gguf = await openGguf(path);
  const t = gguf.tensors.get(name);
  if (!t) throw new Error(`no tensor ${name}`);
  const bytes = readFileSync(path).subarray(t.offset, t.offset + t.byteLength);
  await gguf.close();
  return new Uint8Array(bytes);
}

describe("writing", () => {
  it("goes to memory, with one target a file", async () => {
    const sinks = new Map<string, ReturnType<typeof memorySink>>();
    const target = (file: string) => {
      const sink = memorySink();
      sinks.set(file, sink);
      return sink;
    };
    await saveModel(dense, target, { format: "safetensors" });
    expect([...sinks.keys()]).toEqual(["model.safetensors", "config.json"]);
    const { tensors, metadata } = parseSafetensors((sinks.get("model.safetensors") as ReturnType<typeof memorySink>).bytes);
    expect(metadata.get("format")).toBe("pt");
    expect(tensors.get("model.layers.1.mlp.gate_proj.weight")?.shape).toEqual([512, 256]);
    const config = JSON.parse(new TextDecoder().decode((sinks.get("config.json") as ReturnType<typeof memorySink>).bytes));
    expect(config).toMatchObject({ model_type: "llama", architectures: ["LlamaForCausalLM"], head_dim: 64, rms_norm_eps: 1e-5, dtype: "float32" });
  });

  it("names and describes as llama.cpp's converters do", async () => {
    const path = fresh();
    await saveModel(dense, path, { format: "gguf", name: "tiny" });
    const gguf = await openGguf(path);
    const value = (key: string) => gguf.metadata.get(key)?.value;
    expect(value("general.architecture")).toBe("llama");
    expect(value("general.name")).toBe("tiny");
    expect(value("llama.attention.head_count_kv")).toBe(2);
    expect(value("llama.rope.dimension_count")).toBe(64);
    expect(value("general.file_type")).toBe(0);
    expect([...gguf.tensors.keys()].slice(0, 2)).toEqual(["token_embd.weight", "blk.0.attn_q.weight"]);
    await gguf.close();
  });

  it("keeps the tokenizer of the checkpoint the model came from", async () => {
    const folder = fresh();
    await saveModel(dense, folder, { format: "safetensors" });
    writeFileSync(join(folder, "tokenizer.json"), "{}");
    using model = await loadPretrained(folder, { core, tokenizer: false });
    const { model: packed } = await convertModel(model, { format: "ternary", activations: "int8", tokens: null });
    const again = fresh();
    expect((await saveModel(packed, again, { format: "hf-bitnet" })).files).toEqual(["model.safetensors", "tokenizer.json", "config.json"]);
    expect(readFileSync(join(again, "tokenizer.json"), "utf8")).toBe("{}");
    expect((await saveModel(packed, fresh(), { format: "hf-bitnet", tokenizerFrom: null })).files).toEqual(["model.safetensors", "config.json"]);
    await expect(saveModel(packed, fresh(), { format: "hf-bitnet", tokenizerFrom: fresh() })).rejects.toThrow(/E_IO/);
    // A GGUF's tokenizer is its metadata.
    const [first, second] = [fresh(), fresh()];
    const gguf = await import("../../io/index.ts");
    await saveModel(model, first, { format: "gguf", tokenizerFrom: null });
    const opened = await openGguf(first);
    const { metadata, tensors } = opened;
    const items = [...tensors.values()].map((t) => ({ ...t, data: async () => await tensorBytes(first, t.name) }));
    const tokens = { type: "ARRAY", of: "STRING", value: gguf.GgufStrings.from(["a", "b"]) } as const;
    await gguf.writeGguf(second, { metadata: new Map([...metadata, ["tokenizer.ggml.tokens", tokens]]), tensors: items });
    await opened.close();
    using named = await loadPretrained(second, { core });
    const third = fresh();
    await saveModel(named, third, { format: "gguf" });
    const back = await openGguf(third);
    expect([...((back.metadata.get("tokenizer.ggml.tokens") as typeof tokens).value as Iterable<string>)]).toEqual(["a", "b"]);
    await back.close();
    rmSync(second);
    expect((await saveModel(named, third, { format: "gguf" })).notes).toEqual([expect.stringMatching(/no tokenizer: .* could not be opened/)]);
  });

  it("leaves nothing behind when it is stopped or the disk is full, and the old file as it was", async () => {
    const folder = join(fresh(), "deep");
    const stop = new AbortController();
    const saving = saveModel(dense, folder, { format: "safetensors", signal: stop.signal, onProgress: (e) => e.progress > 30 && stop.abort() });
    await expect(saving).rejects.toThrow(/E_ABORTED/);
    expect(existsSync(dirname(folder))).toBe(false);
    const path = fresh();
    writeFileSync(path, "old");
    const full = () => ({
      write: async () => {
        throw new Error("ENOSPC");
      },
      commit: async () => undefined,
      discard: async () => undefined,
    });
    await expect(saveModel(dense, full, { format: "gguf" })).rejects.toThrow(/ENOSPC/);
    await expect(saveModel(dense, path, { format: "gguf", signal: AbortSignal.abort() })).rejects.toThrow(/E_ABORTED/);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(scratch).filter((n) => n.startsWith(".tmp"))).toEqual([]);
  });

  it("refuses wrong options", async () => {
    const refuse = (options: object, what: RegExp) => expect(saveModel(dense, fresh(), options as SaveOptions)).rejects.toThrow(what);
    await refuse({ format: "gguff" }, /E_NAME.*did you mean gguf/);
    await refuse({ format: "gguf", ggufType: "tq3_0" }, /E_NAME.*tq/);
    await refuse({ format: "safetensors", dtype: "f64" }, /E_NAME/);
    await refuse({ format: "safetensors", ggufType: "tq2_0" }, /E_MODE/);
    await refuse({ format: "gguf", architecture: "lama" }, /E_NAME.*llama/);
  });
});
