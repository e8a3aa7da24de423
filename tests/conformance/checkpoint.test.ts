/** Loading checkpoints: what is refused and how, progress, aborts, budgets, the sites of quantisers, weights as users see them. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type CheckpointInput,
  type Core,
  type GgufItem,
  type GgufValue,
  type LoadProgress,
  Model,
  memorySink,
  parseSafetensors,
  type StoredTensor,
  serializeSafetensors,
  Tensor,
  toTensor,
  writeGguf,
} from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { type GgufParts, ggufParts } from "../support/gguf-of-folder.ts";
import { HOSTILE_CONFIGS } from "../support/hostile-checkpoints.ts";
import { serve } from "../support/serve-folder.ts";
import { coreUnderTest } from "./support.ts";

const folder = (name: string): string => fileURLToPath(new URL(`../golden/huggingface/${name}`, import.meta.url));
const file = (name: string, path: string): Uint8Array => readFileSync(`${folder(name)}/${path}`);

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

/** A checkpoint as the files a user picks. */
function picked(config: string | Uint8Array, weights: Uint8Array): File[] {
  return [new File([config as Uint8Array<ArrayBuffer>], "config.json"), new File([weights as Uint8Array<ArrayBuffer>], "model.safetensors")];
}

/** config.json of a golden folder with changed keys (undefined takes one away). */
function changed(name: string, change: Record<string, unknown>): string {
  return JSON.stringify({ ...(JSON.parse(new TextDecoder().decode(file(name, "config.json"))) as object), ...change });
}

/** Weights of a golden folder with changed tensors (undefined takes one away). */
function withTensors(name: string, change: Record<string, Tensor | Tensor<Uint8Array> | undefined>): Uint8Array {
  const stored = parseSafetensors(file(name, "model.safetensors")).tensors;
  const tensors = new Map<string, Tensor | Tensor<Uint8Array>>(
    [...stored].map(([key, t]) => [key, t.dtype === "U8" ? Tensor.from(new Uint8Array(t.bytes), t.shape) : toTensor(t)]),
  );
  for (const [key, tensor] of Object.entries(change)) {
    if (tensor) tensors.set(key, tensor);
    else tensors.delete(key);
  }
  return serializeSafetensors(tensors);
}

async function refusal(input: CheckpointInput): Promise<{ code: string; message: string; ms: number }> {
  const begun = performance.now();
  try {
    (await Model.fromPretrained(input, { core })).dispose();
  } catch (error) {
    return { code: (error as { code: string }).code, message: (error as Error).message, ms: performance.now() - begun };
  }
  return { code: "", message: "it was loaded", ms: 0 };
}

describe("a configuration that cannot be right", () => {
  it("is refused as it stands in the good case's place", async () => {
    (await Model.fromPretrained(picked(changed("llama", {}), file("llama", "model.safetensors")), { core })).dispose();
  });

  it.each(HOSTILE_CONFIGS)("%s", async (_, change, code, says) => {
    const config = typeof change === "string" ? change : changed("llama", change);
    const found = await refusal(picked(config, file("llama", "model.safetensors")));
    expect(found.message).toMatch(says);
    expect(found.code).toBe(code);
    expect(found.ms).toBeLessThan(500);
  });
});

describe("tensors that do not fit", () => {
  const Q = "model.layers.0.self_attn.q_proj.weight";
  const cases: readonly (readonly [string, string, Parameters<typeof withTensors>[1], string, RegExp])[] = [
    ["a missing one", "llama", { [Q]: undefined }, "E_NAME", /lacks tensor "model\.layers\.0\.self_attn\.q_proj\.weight"/],
    ["one too many", "llama", { __proto__x: Tensor.from(new Float32Array(1), [1]) }, "E_NAME", /no place for tensor "__proto__x"/],
    ["another shape", "llama", { [Q]: Tensor.from(new Float32Array(32 * 31), [31, 32]) }, "E_SHAPE", /q_proj.*\[32, 32\].*\[31, 32\]/],
    ["another rank", "llama", { [Q]: Tensor.from(new Float32Array(1024), [1024]) }, "E_SHAPE", /q_proj/],
    ["bytes for a matrix", "llama", { [Q]: Tensor.from(new Uint8Array(1024), [32, 32]) }, "E_FORMAT", /q_proj.*F32, F16, BF16.*U8/],
    ["floats for packed rows", "bitnet_offline", { [Q]: Tensor.from(new Float32Array(16 * 64), [16, 64]) }, "E_FORMAT", /q_proj.*U8.*F32/],
    ["packed rows without a scale", "bitnet_offline", { [`${Q}_scale`]: undefined }, "E_NAME", /q_proj\.weight_scale/],
    ["a scale of NaN", "bitnet_offline", { [`${Q}_scale`]: Tensor.from(Float32Array.of(Number.NaN), [1]) }, "E_NONFINITE", /q_proj\.weight_scale/],
    ["a scale of 0", "bitnet_offline", { [`${Q}_scale`]: Tensor.from(Float32Array.of(0), [1]) }, "E_NONFINITE", /q_proj\.weight_scale/],
    ["codes that are none", "bitnet_offline", { [Q]: Tensor.from(new Uint8Array(1024).fill(0xff), [16, 64]) }, "E_FORMAT", /./],
    ["master weights of NaN", "bitnet_online", { [Q]: Tensor.from(new Float32Array(4096).fill(Number.NaN), [64, 64]) }, "E_NONFINITE", /q_proj/],
  ];
  it.each(cases)("%s", async (_, name, change, code, says) => {
    const found = await refusal(picked(file(name, "config.json"), withTensors(name, change)));
    expect(found.message).toMatch(says);
    expect(found.code).toBe(code);
  });

  it("100,000 of them, and as many layers as they could be of", async () => {
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`model.layers.${i}.x`, Tensor.from(new Float32Array(1), [1])]));
    const found = await refusal(picked(changed("llama", { num_hidden_layers: 25_000 }), withTensors("llama", many)));
    expect(found.code).toBe("E_NAME");
    expect(found.ms).toBeLessThan(5000);
  });

  it("weights alone do not say what they are", async () => {
    expect(await refusal([new File([file("llama", "model.safetensors") as Uint8Array<ArrayBuffer>], "model.safetensors")])).toMatchObject({
      code: "E_SPEC",
    });
  });
});

describe("metadata of a GGUF file that cannot be right", () => {
  const u32 = (value: number): GgufValue => ({ type: "UINT32", value });
  const cases: readonly (readonly [string, (file: GgufParts) => void, string, RegExp])[] = [
    [
      "another architecture",
      (g) => g.metadata.set("general.architecture", { type: "STRING", value: "qwen35" }),
      "E_SPEC",
      /general\.architecture.*gpt2.*qwen35/,
    ],
    ["no architecture", (g) => g.metadata.delete("general.architecture"), "E_SPEC", /general\.architecture/],
    ["an architecture that is a number", (g) => g.metadata.set("general.architecture", u32(1)), "E_SPEC", /general\.architecture/],
    ["no blocks", (g) => g.metadata.set("llama.block_count", u32(0)), "E_SPEC", /block_count/],
    ["2^31 blocks", (g) => g.metadata.set("llama.block_count", u32(2 ** 31)), "E_SPEC", /block_count/],
    ["2^64 - 1 blocks", (g) => g.metadata.set("llama.block_count", { type: "UINT64", value: 2n ** 64n - 1n }), "E_SPEC", /block_count/],
    ["a block too many", (g) => g.metadata.set("llama.block_count", u32(3)), "E_NAME", /blk\.2\./],
    [
      "a block of 2^64 - 1",
      (g) => g.tensors.push({ ...(g.tensors[3] as GgufItem), name: "blk.18446744073709551615.attn_q.weight" }),
      "E_NAME",
      /blk\.18446744073709551615/,
    ],
    ["no heads", (g) => g.metadata.set("llama.attention.head_count", u32(0)), "E_SPEC", /head_count/],
    [
      "heads that do not divide",
      (g) => g.metadata.set("llama.attention.head_count", u32(3)).delete("llama.attention.key_length"),
      "E_SPEC",
      /head_count|value_length/,
    ],
    [
      "heads by layer",
      (g) => g.metadata.set("llama.attention.head_count", { type: "ARRAY", of: "INT32", value: Int32Array.of(4, 4) }),
      "E_SPEC",
      /head_count.*a list/,
    ],
    ["eps of NaN", (g) => g.metadata.set("llama.attention.layer_norm_rms_epsilon", { type: "FLOAT32", value: Number.NaN }), "E_SPEC", /epsilon.*NaN/],
    ["base of infinity", (g) => g.metadata.set("llama.rope.freq_base", { type: "FLOAT32", value: Number.POSITIVE_INFINITY }), "E_SPEC", /freq_base/],
    ["experts", (g) => g.metadata.set("llama.expert_count", u32(8)), "E_SPEC", /expert_count/],
    ["a sliding window", (g) => g.metadata.set("llama.attention.sliding_window", u32(16)), "E_SPEC", /sliding_window/],
    ["another scaling", (g) => g.metadata.set("llama.rope.scaling.type", { type: "STRING", value: "longrope" }), "E_SPEC", /scaling\.type.*longrope/],
    ["a partial rotation", (g) => g.metadata.set("llama.rope.dimension_count", u32(4)), "E_SPEC", /dimension_count/],
    ["another vocabulary", (g) => g.metadata.set("llama.vocab_size", u32(102)), "E_SPEC", /vocab_size/],
    ["another width", (g) => g.metadata.set("llama.embedding_length", u32(64)), "E_SHAPE", /hidden size/],
    ["rotated weights", (g) => g.metadata.set("prism.hadamard.block_size", u32(1024)), "E_FORMAT", /Bonsai 2/],
    ["frequencies of another head", (g) => g.tensors.push(freqs(8)), "E_SPEC", /rope_freqs/],
    ["frequencies of 0", (g) => g.tensors.push(freqs(4)), "E_SPEC", /rope_freqs/],
  ];
  const freqs = (n: number): GgufItem => ({ name: "rope_freqs.weight", type: "F32", shape: [n], data: () => new Uint8Array(4 * n) });

  it.each(cases)("%s", async (_, change, code, says) => {
    const parts = await ggufParts(folder("llama"));
    change(parts);
    const sink = memorySink();
    await writeGguf(sink, parts);
    const found = await refusal(sink.bytes);
    expect(found.message).toMatch(says);
    expect(found.code).toBe(code);
    expect(found.ms).toBeLessThan(500);
  });
});

describe("a BitNet GGUF file", () => {
  /** The golden BitNet with its matrices, 64 and 96 columns wide, in another type. */
  async function retyped(type: string, data: (rows: number, cols: number) => Uint8Array): Promise<Model> {
    const { metadata, tensors } = await ggufParts(folder("bitnet_offline"));
    const wide = tensors.map((t) =>
      /(attn|ffn)_\w+\.weight$/.test(t.name) && t.shape.length === 2
        ? { ...t, type, data: () => data(t.shape[0] as number, t.shape[1] as number) }
        : t,
    );
    const sink = memorySink();
    await writeGguf(sink, { metadata, tensors: wide });
    return Model.fromPretrained(sink.bytes, { core });
  }

  it("with matrices of 8 bits multiplies them with f32 activations, and has no sites of quantisers", async () => {
    using model = await retyped("Q8_0", (rows, cols) => new Uint8Array(core.packedBytes("q8_0", rows, cols)));
    expect(model.config?.actQuant).toBe("none");
    expect(model.siteNames.some((name) => name.includes("hook_acc"))).toBe(false);
  });

  it("refuses floats that are not ternary", async () => {
    const values = (rows: number, cols: number): Uint8Array =>
      new Uint8Array(Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i)).buffer);
    await expect(retyped("F32", values)).rejects.toMatchObject({ code: "E_FORMAT" });
  });
});

describe("where a checkpoint lies", () => {
  it("may be a path, a file in the folder, a URL, a list, bytes", async () => {
    const { url, close } = await serve(fileURLToPath(new URL("../golden/huggingface/", import.meta.url)));
    try {
      const gguf = memorySink();
      await writeGguf(gguf, await ggufParts(folder("llama")));
      const places = [
        `${folder("llama")}/`,
        `${folder("llama")}/config.json`,
        `${folder("llama")}/model.safetensors`,
        `${url}llama/`,
        `${url}llama/config.json`,
        new URL(`${url}llama/model.safetensors`),
        picked(file("llama", "config.json"), file("llama", "model.safetensors")),
        gguf.bytes,
        new File([gguf.bytes], "x.gguf"),
      ];
      const tokens = [[1, 2, 3]];
      using first = await Model.fromPretrained(folder("llama"), { core });
      const expected = Array.from(first.forward(tokens).data);
      for (const place of places) {
        using model = await Model.fromPretrained(place, { core });
        expect(Array.from(model.forward(tokens).data), String(place)).toEqual(expected);
      }
      await expect(Model.fromPretrained(`${url}none/`, { core })).rejects.toMatchObject({ code: "E_SPEC" });
      await expect(Model.fromPretrained(folder("none"), { core })).rejects.toMatchObject({ code: "E_IO" });
    } finally {
      await close();
    }
  });
});

describe("logits", () => {
  it.each(["llama", "gpt2", "bitnet_offline"])("of %s are transformers'", async (name) => {
    const expected = parseSafetensors(file(name, "expected.safetensors")).tensors;
    const [tokens, logits] = ["tokens", "logits"].map((key) => toTensor(expected.get(key) as StoredTensor)) as [Tensor, Tensor];
    using model = await Model.fromPretrained(folder(name), { core });
    const found = model.forward({ data: Int32Array.from(tokens.data), shape: tokens.shape }).data;
    const largest = logits.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    expect(found.reduce((m, x, i) => Math.max(m, Math.abs(x - (logits.data[i] as number))), 0)).toBeLessThanOrEqual(1e-4 * largest);
  });

  it("of BitNet from master weights are those of its packed ones", async () => {
    using online = await Model.fromPretrained(folder("bitnet_online"), { core });
    using offline = await Model.fromPretrained(folder("bitnet_offline"), { core });
    const tokens = [[9, 8, 7, 6, 5]];
    const [a, b] = [online.forward(tokens).data, offline.forward(tokens).data];
    const largest = a.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    expect(a.reduce((m, x, i) => Math.max(m, Math.abs(x - (b[i] as number))), 0)).toBeLessThanOrEqual(1e-5 * largest);
  });
});

describe("loading", () => {
  it("reports bytes of files and of all, in transformers.js's shape", async () => {
    const events: LoadProgress[] = [];
    (await Model.fromPretrained(folder("llama_bf16"), { core, onProgress: (e) => events.push({ ...e }) })).dispose();
    expect(events.filter((e) => e.status === "initiate").length).toBe(3);
    expect(events.filter((e) => e.status === "done").map((e) => e.progress)).toEqual([100, 100, 100]);
    expect(events.at(-1)).toMatchObject({ status: "ready", progress: 100 });
    const totals = events.filter((e) => e.status === "progress_total").map((e) => e.loaded);
    expect(totals).toEqual([...totals].sort((a, b) => a - b));
    expect(events.findLast((e) => e.status === "progress_total")).toMatchObject({ progress: 100 });
  });

  it("ends with what onProgress throws, and with E_ABORTED, and works again afterwards", async () => {
    const boom = new Error("no more");
    let calls = 0;
    const throwing = (): void => {
      if (++calls === 7) throw boom;
    };
    await expect(Model.fromPretrained(folder("llama"), { core, onProgress: throwing })).rejects.toBe(boom);
    const controller = new AbortController();
    const aborting = (): void => {
      if (++calls === 15) controller.abort();
    };
    await expect(Model.fromPretrained(folder("llama"), { core, onProgress: aborting, signal: controller.signal })).rejects.toMatchObject({
      code: "E_ABORTED",
    });
    await expect(Model.fromPretrained(folder("llama"), { core, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "E_ABORTED" });
    (await Model.fromPretrained(folder("llama"), { core })).dispose();
  });

  it("keeps a shorter context when asked for, and refuses a longer one", async () => {
    using short = await Model.fromPretrained(folder("gpt2"), { core, nCtx: 8 });
    using whole = await Model.fromPretrained(folder("gpt2"), { core });
    expect(short.weight("pos_embed.W_pos").shape).toEqual([8, 32]);
    expect(Array.from(short.forward([[1, 2, 3]]).data)).toEqual(Array.from(whole.forward([[1, 2, 3]]).data));
    await expect(Model.fromPretrained(folder("gpt2"), { core, nCtx: 33 })).rejects.toMatchObject({ code: "E_SPEC" });
  });

  it("makes trainable models of float weights only", async () => {
    using stored = await Model.fromPretrained(folder("bitnet_online"), { core });
    using latent = await Model.fromPretrained(folder("bitnet_online"), { core, trainable: true });
    expect(latent.quantOf("blocks.0.attn.W_Q")).toBe("ternary");
    const tokens = [[1, 2, 3, 4]];
    const [a, b] = [stored.forward(tokens).data, latent.forward(tokens).data];
    const largest = a.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    a.forEach((x, i) => {
      expect(Math.abs(x - (b[i] as number))).toBeLessThanOrEqual(1e-4 * largest);
    });
    await expect(Model.fromPretrained(folder("bitnet_offline"), { core, trainable: true })).rejects.toMatchObject({ code: "E_SPEC" });
  });
});
