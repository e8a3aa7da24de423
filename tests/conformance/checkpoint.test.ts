/** Loading checkpoints: what is refused and how, progress, aborts, budgets, the sites of quantisers, weights as users see them. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type CheckpointInput,
  type Core,
  type GgufItem,
  type GgufValue,
  inspect,
  type LoadProgress,
  Model,
  memorySink,
  openSource,
  parseSafetensors,
  plan,
  type StoredTensor,
  serializeSafetensors,
  Tensor,
  toTensor,
  writeGguf,
} from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { countZeros } from "../../packages/sdk/src/checkpoint/zeros.ts";
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

describe("memory", () => {
  it("is told from headers, and budgets are kept", async () => {
    const told = await plan(folder("bitnet_offline"), { core, seq: 8, capacity: 16, names: "blocks.*.hook_resid_post" });
    using model = await Model.fromPretrained(folder("bitnet_offline"), { core });
    const now = model.plan({ seq: 8, capacity: 16, names: "blocks.*.hook_resid_post" });
    expect([told.cache, told.activations, told.captures]).toEqual([now.cache, now.activations, now.captures]);
    // The core does not count the scale of each matrix.
    expect(told.weights - now.weights).toBe(4 * 14);
    expect(now.captures).toBe(4 * (8 * 96 + 2 * 8 * 64));
    expect(told.checkpoint.weights.find((w) => w.param === "blocks.0.attn.W_Q")).toMatchObject({ type: "U8", format: "ternary2", shape: [64, 64] });
    await expect(Model.fromPretrained(folder("bitnet_offline"), { core, budgetBytes: told.weights - 1 })).rejects.toMatchObject({ code: "E_MEMORY" });
    await expect(plan(folder("bitnet_offline"), { core, budgetBytes: told.weights })).rejects.toMatchObject({ code: "E_MEMORY" });
    expect(() => model.runWithCache([[1, 2, 3]], { budgetBytes: 100 })).toThrow(/E_MEMORY.*at most 100 bytes/);
    const need = model.plan({ seq: 3, names: model.siteNames as string[] });
    model.runWithCache([[1, 2, 3]], { budgetBytes: need.activations + need.captures });
  });
});

describe("inspect", () => {
  it("counts the zeros of packed matrices as they are multiplied", async () => {
    for (const name of ["bitnet_offline", "bitnet_online"]) {
      const found = await inspect(folder(name), { core });
      using model = await Model.fromPretrained(folder(name), { core });
      const trits = model.paramNames.filter((n) => /W_(?!E)/.test(n)).flatMap((n) => Array.from(model.trits(n).data));
      expect(found.zeros).toBeCloseTo(trits.filter((t) => t === 0).length / trits.length, 12);
      expect(found).toMatchObject({ architecture: "bitnet", kind: "safetensors", parameters: 68224 });
    }
    expect((await inspect(folder("bitnet_offline"), { core, scan: false })).zeros).toBeUndefined();
  });

  it.each(["tq1_0", "tq2_0", "q8_0", "q4_0", "q2_0", "q1_0"])("knows the zeros of %s", async (format) => {
    const [rows, cols] = [4, 256];
    const values = Float32Array.from({ length: rows * cols }, (_, i) => (i % 3 === 0 ? 0 : i % 5 === 0 ? 0.5 : -0.5));
    const bytes = new Uint8Array(core.packedBytes(format, rows, cols));
    core.quantizeBlocks(format, values, cols, bytes);
    const back = new Float32Array(rows * cols);
    core.dequantizeBlocks(format, bytes, cols, back);
    const source = await openSource(bytes);
    const tensor = { name: "x", type: format.toUpperCase(), shape: [rows, cols], source, offset: 0, byteLength: bytes.byteLength };
    expect(await countZeros(tensor, (t, from, into) => t.source.read(t.offset + from, into))).toBe(back.filter((x) => x === 0).length);
  });
});

describe("sites of quantisers", () => {
  it("say what the integer products work with", async () => {
    using model = await Model.fromPretrained(folder("bitnet_offline"), { core });
    const { cache } = model.runWithCache([[5, 6, 7, 8]]);
    for (const layer of ["attn.q", "attn.k", "attn.v", "attn.o", "mlp.gate", "mlp.in", "mlp.out"]) {
      const at = (what: string): Tensor => cache.get(`blocks.1.${layer}.${what}`);
      const [x, codes, scale, acc, out] = [at("hook_in"), at("hook_in_codes"), at("hook_in_scale"), at("hook_acc"), at("hook_out")];
      const name = `blocks.1.${layer.replace(/\.(\w+)$/, (_, l: string) => `.W_${l.length === 1 ? l.toUpperCase() : l}`)}`;
      const trits = model.trits(name);
      const [rows, cols] = trits.shape as [number, number];
      const weight = model.scales(name).data[0] as number;
      for (let t = 0; t < 4; t++) {
        const s = scale.data[t] as number;
        const row = codes.data.subarray(t * cols, (t + 1) * cols);
        expect(Math.max(...row.map(Math.abs))).toBe(127);
        for (let i = 0; i < cols; i++) expect(Math.abs((x.data[t * cols + i] as number) - (row[i] as number) * s)).toBeLessThanOrEqual(0.51 * s);
        for (let o = 0; o < rows; o++) {
          let sum = 0;
          for (let i = 0; i < cols; i++) sum += (row[i] as number) * (trits.data[o * cols + i] as number);
          expect(acc.data[t * rows + o]).toBe(sum);
          expect(out.data[t * rows + o]).toBeCloseTo(sum * s * weight, 4);
        }
      }
    }
    expect(cache.get("blocks.0.attn.q.hook_out").shape).toEqual([1, 4, 4, 16]);
    expect(cache.get("blocks.0.attn.q.hook_out").axes).toEqual(["batch", "pos", "head", "d_head"]);
    expect(cache.get("blocks.0.attn.sub_norm.hook_scale").shape).toEqual([1, 4, 1]);
    expect(cache.get("blocks.0.mlp.out.hook_in").axes).toEqual(["batch", "pos", "d_mlp"]);
  });

  it("are inputs that can be changed for one matrix alone, codes cannot", async () => {
    using model = await Model.fromPretrained(folder("bitnet_offline"), { core });
    const names = ["blocks.0.attn.hook_q", "blocks.0.attn.hook_k"];
    const plain = model.runWithCache([[5, 6, 7]], { names }).cache;
    const { cache } = model.runWithCache([[5, 6, 7]], { names, hooks: [["blocks.0.attn.q.hook_in", { kind: "zero" }]] });
    expect(cache.get("blocks.0.attn.hook_q").data.every((x) => x === 0)).toBe(true);
    expect(Array.from(cache.get("blocks.0.attn.hook_k").data)).toEqual(Array.from(plain.get("blocks.0.attn.hook_k").data));
  });

  it("reach the logits, in a session that asks for the last position only, too", async () => {
    using model = await Model.fromPretrained(folder("bitnet_offline"), { core });
    using session = model.openSession({ capacity: 8 });
    const { logits, cache } = session.run([[1, 2, 3]], {
      names: ["hook_unembed", "unembed.hook_in"],
      lastOnly: true,
      hooks: [["unembed.hook_out", (x) => void x.data.fill(3)]],
    });
    expect(logits.shape).toEqual([1, 96]);
    expect(logits.data.every((x) => x === 3)).toBe(true);
    expect(cache.get("unembed.hook_out").axes).toEqual(["batch", "pos", "d_vocab_out"]);
    expect(cache.get("unembed.hook_in").shape).toEqual([1, 3, 64]);
  });

  it("have version 4 names of TransformerLens as aliases", async () => {
    using model = await Model.fromPretrained(folder("qwen3"), { core });
    const { cache } = model.runWithCache([[5, 6, 7]]);
    expect(cache.get("blocks.0.attn.q_norm.hook_out").shape).toEqual([1, 3, 4, 12]);
    expect(cache.get("blocks.0.attn.q.hook_out")).toBe(cache.get("blocks.0.attn.hook_q"));
    expect(cache.get("blocks.1.mlp.in.hook_out")).toBe(cache.get("blocks.1.mlp.hook_pre_linear"));
    expect(() => cache.get("blocks.0.attn.q.hook_acc")).toThrow(/E_NAME/);
  });
});

describe("weights", () => {
  it("have TransformerLens's shapes, dequantised", async () => {
    using model = await Model.fromPretrained(folder("bitnet_offline"), { core });
    expect(model.W_E.shape).toEqual([96, 64]);
    expect(model.W_U.shape).toEqual([64, 96]);
    expect(model.W_U.at(3, 5)).toBe(model.W_E.at(5, 3));
    expect(model.W_Q.shape).toEqual([2, 4, 64, 16]);
    expect(model.W_K.shape).toEqual([2, 2, 64, 16]);
    expect(model.W_K.axes).toEqual(["layer", "head", "d_model", "d_head"]);
    expect(model.W_O.shape).toEqual([2, 4, 16, 64]);
    expect(model.W_in.shape).toEqual([2, 64, 96]);
    expect(model.W_out.shape).toEqual([2, 96, 64]);
    expect(() => model.b_Q).toThrow(/E_NAME/);
    const [trits, values] = [model.trits("blocks.0.attn.W_Q"), model.readParam("blocks.0.attn.W_Q")];
    const scale = model.scales("blocks.0.attn.W_Q").data[0] as number;
    trits.data.forEach((t, i) => {
      expect(values.data[i]).toBeCloseTo(t * scale, 6);
    });
    expect(model.W_Q.at(0, 1, 2, 3)).toBe(values.at(1 * 16 + 3, 2));
    expect(model.packed("blocks.0.attn.W_Q")).toMatchObject({ format: "ternary2", shape: [64, 64], scales: Float32Array.of(scale) });
    expect(model.packed("embed.W_E")).toMatchObject({ format: "f32", shape: [96, 64] });
    expect(() => model.packed("ln_final.w")).toThrow(/E_NAME/);
    expect(() => model.trits("embed.W_E")).toThrow(/E_NAME/);
  });

  it("of biased and fused models are split", async () => {
    using model = await Model.fromPretrained(folder("gpt_neox"), { core });
    expect(model.b_Q.shape).toEqual([2, 4, 8]);
    const fused = toTensor(
      parseSafetensors(file("gpt_neox", "model.safetensors")).tensors.get("gpt_neox.layers.1.attention.query_key_value.weight") as never,
    );
    expect(model.weight("blocks.1.attn.W_K").at(2, 5, 3)).toBe(fused.at((2 * 3 + 1) * 8 + 3, 5));
  });
});
