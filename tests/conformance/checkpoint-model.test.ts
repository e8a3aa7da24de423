/** Models from checkpoints: their memory, what `inspect` says of them, the sites of their quantisers, their weights. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Core, inspect, Model, openSource, parseSafetensors, plan, type Tensor, toTensor, transformerConfig, transformerSpec } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { countZeros } from "../../packages/sdk/src/checkpoint/zeros.ts";
import { coreUnderTest } from "./support.ts";

const folder = (name: string): string => fileURLToPath(new URL(`../golden/huggingface/${name}`, import.meta.url));
const file = (name: string, path: string): Uint8Array => readFileSync(`${folder(name)}/${path}`);

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

describe("memory", () => {
  it("is told from headers, and budgets are kept", async () => {
    const told = await plan(folder("bitnet_offline"), { core, seq: 8, capacity: 16, names: "blocks.*.hook_resid_post" });
    using model = await Model.fromPretrained(folder("bitnet_offline"), { core });
    const now = model.plan({ seq: 8, capacity: 16, names: "blocks.*.hook_resid_post" });
    expect([told.cache, told.activations, told.captures]).toEqual([now.cache, now.activations, now.captures]);
    // The core does not count the scale of each matrix, and WebAssembly keeps rows without the padding that wide registers want.
    const difference = told.weights - now.weights;
    if (core.backend === "native") expect(difference).toBe(4 * 14);
    else expect(difference).toBeGreaterThanOrEqual(0);
    expect(now.captures).toBe(4 * (8 * 96 + 2 * 8 * 64));
    expect(told.checkpoint.weights.find((w) => w.param === "blocks.0.attn.W_Q")).toMatchObject({ type: "U8", format: "ternary2", shape: [64, 64] });
    await expect(Model.fromPretrained(folder("bitnet_offline"), { core, budgetBytes: told.weights - 1 })).rejects.toMatchObject({ code: "E_MEMORY" });
    await expect(plan(folder("bitnet_offline"), { core, budgetBytes: told.weights })).rejects.toMatchObject({ code: "E_MEMORY" });
    expect(() => model.runWithCache([[1, 2, 3]], { budgetBytes: 100 })).toThrow(/E_MEMORY.*at most 100 bytes/);
    const text = model.generate([1, 2, 3], { maxTokens: 4, budgetBytes: 1000 });
    await expect(text[Symbol.asyncIterator]().next()).rejects.toThrow(/E_MEMORY.*at most 1000 bytes/);
    const rest = model.plan({ seq: 3, capacity: 6, lastOnly: true });
    const budgetBytes = rest.total - rest.weights;
    for await (const step of model.generate([1, 2, 3], { maxTokens: 4, budgetBytes })) expect(step.token).toBeLessThan(96);
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

  it("are there for matrices with a scale for every block, too", async () => {
    const spec = transformerSpec(
      transformerConfig({ nLayers: 1, dModel: 512, dHead: 256, nCtx: 4, dVocab: 8, attnOnly: true, attnBias: false, actQuant: "int8", stored: true }),
    );
    using model = Model.fromSpec(spec, { core });
    const codes = Int8Array.from({ length: 512 * 512 }, (_, i) => ((Math.imul(i, 2654435761) >>> 8) % 3) - 1);
    for (const [i, { name, shape, stored }] of spec.params.entries()) {
      if (!stored) continue;
      if (/W_[QKVO]$/.test(name)) {
        const scales = Float32Array.from({ length: 1024 }, (_, k) => 0.02 + (k % 5) / 100);
        core.setStoredCodes(model.program, i, "ternary2", 256, codes, scales, new Float32Array(0));
      } else {
        const values = Float32Array.from({ length: (shape[0] as number) * (shape[1] as number) }, (_, k) => Math.sin(k));
        core.openStored(model.program, i, "f32", 1);
        core.writeStored(model.program, i, 0, new Uint8Array(values.buffer));
        core.finishStored(model.program, i);
      }
    }
    const { cache } = model.runWithCache([[1, 2]]);
    const [x, acc] = [cache.get("blocks.0.attn.q.hook_in_codes").data, cache.get("blocks.0.attn.q.hook_acc").data];
    for (let o = 0; o < 512; o += 37) {
      let sum = 0;
      for (let k = 0; k < 512; k++) sum += (x[512 + k] as number) * (codes[o * 512 + k] as number);
      expect(acc[512 + o]).toBe(sum);
    }
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

describe("gradients", () => {
  it.each(["gpt2", "qwen3_tied", "llama_biased", "llama_yarn"])("of a trainable %s are the slopes of its loss", async (name) => {
    using model = await Model.fromPretrained(folder(name), { core, trainable: true });
    const run = (): ReturnType<typeof model.runWithCache> =>
      model.runWithCache([[5, 6, 7, 8]], { loss: { targets: [6, 7, 8, 9] }, paramGrads: true, names: "hook_embed" });
    const { paramGrads } = run();
    for (const param of model.paramNames.filter((n) => !n.startsWith("blocks.1"))) {
      const { data } = model.readParam(param);
      const direction = Float32Array.from(data, (_, i) => Math.sin(i * 12.9898));
      const eps = 3e-3 / Math.sqrt(data.length);
      const at = (s: number): number => {
        model.writeParam(
          param,
          data.map((x, i) => x + s * eps * (direction[i] as number)),
        );
        return run().loss as number;
      };
      const slope = (at(1) - at(-1)) / (2 * eps);
      // Gradients come in TransformerLens's shapes.
      model.writeParam(param, direction);
      const turned = model.weight(param).data;
      model.writeParam(param, data);
      const key = [param, param.replace(/\.([Wb]_[KV])$/, "._$1")].find((k) => paramGrads?.has(k)) as string;
      const told = paramGrads?.get(key)?.data.reduce((n, g, i) => n + g * (turned[i] as number), 0) ?? Number.NaN;
      expect(Math.abs(slope - told), param).toBeLessThan(2e-2 * Math.max(0.05, Math.abs(slope)));
    }
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
