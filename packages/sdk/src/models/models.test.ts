import { describe, expect, it } from "vitest";
import { Tensor } from "../tensor/index.ts";
import { type TransformerConfig, transformerConfig } from "./config.ts";
import { fromTransformerLens, readStateDict, toTransformerLens, transformerLensName } from "./layout.ts";
import { liConfig, nandaConfig } from "./ready.ts";
import { transformerSpec } from "./transformer.ts";
import { configFromTransformerLens } from "./transformerlens.ts";

const small = { nLayers: 1, dModel: 6, nHeads: 3, dHead: 2, dMlp: 5, nCtx: 3, dVocab: 7 };
const param = (c: TransformerConfig, name: string) => transformerSpec(c).params.find((p) => p.name === name);

describe("ready configs", () => {
  it("have the sizes of the papers", () => {
    const count = (c: TransformerConfig) => transformerSpec(c).params.reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0);
    expect(count(nandaConfig({ p: 113 }))).toBe(226_816); // Nanda's
    expect(count(liConfig({ p: 113 }))).toBe(225_792); // Li's
  });
  it("start from the papers' initial weights", () => {
    expect(param(liConfig({ p: 113 }), "blocks.0.mlp.W_out")?.init).toEqual({ kind: "uniform", bound: 1 / Math.sqrt(512) });
    expect(param(nandaConfig({ p: 113 }), "unembed.W_U")?.init).toEqual({ kind: "normal", std: 1 / Math.sqrt(114) });
    expect(param(liConfig({ p: 113 }), "ln_final.w")?.init).toEqual({ kind: "constant", value: 1 });
  });
  it("quantise exactly the six matrices", () => {
    const quantised = transformerSpec(liConfig({ p: 5, mode: "li_ternary" })).params.filter((p) => p.quant !== "none");
    expect(quantised.map((p) => p.name.split(".").pop())).toEqual(["W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"]);
  });
  it("refuse a modulus below 3 and an unknown mode", () => {
    expect(() => liConfig({ p: 2 })).toThrow(/E_RANGE.*\[3/);
    expect(() => nandaConfig({ p: 5.5 })).toThrow(/E_RANGE/);
    expect(() => liConfig({ p: 5, mode: "trenary" as never })).toThrow(/E_MODE.*ternary/);
  });
});

describe("transformerConfig", () => {
  it("names the wrong field", () => {
    expect(() => transformerConfig({ ...small, nKeyValueHeads: 2 })).toThrow(/E_SPEC.*nKeyValueHeads.*divisor of nHeads 3/);
    expect(() => transformerConfig({ ...small, dModel: 0 })).toThrow(/dModel/);
    expect(() => transformerConfig({ ...small, positions: "rotary", rotaryDim: 3 })).toThrow(/rotaryDim/);
    expect(() => transformerConfig({ ...small, quantizer: "quaternary" as never })).toThrow(/E_MODE/);
  });
});

describe("transformerSpec", () => {
  it("names sites as TransformerLens in order of firing", () => {
    const names = transformerSpec(transformerConfig({ ...small, positions: "rotary", gatedMlp: true, normalization: "RMS" })).sites.map(
      (s) => s.name,
    );
    expect(names.slice(0, 6)).toEqual([
      "hook_embed",
      "blocks.0.hook_resid_pre",
      "blocks.0.ln1.hook_scale",
      "blocks.0.ln1.hook_normalized",
      "blocks.0.attn.hook_q",
      "blocks.0.attn.hook_k",
    ]);
    expect(names).toContain("blocks.0.mlp.hook_pre_linear");
    expect(names.at(-1)).toBe("ln_final.hook_normalized");
  });
  it("has no resid_mid in parallel and attention-only blocks", () => {
    const mids = (c: TransformerConfig) => transformerSpec(c).sites.filter((s) => s.name.includes("resid_mid")).length;
    expect(mids(transformerConfig({ ...small, parallelAttnMlp: true }))).toBe(0);
    expect(mids(transformerConfig({ ...small, attnOnly: true }))).toBe(0);
    expect(mids(transformerConfig(small))).toBe(1);
  });
  it("gives int8 inputs to quantised layers only", () => {
    const nodes = transformerSpec(liConfig({ p: 5, mode: "ternary", actQuant: "int8" })).nodes.filter((n) => n.op === "linear");
    expect(nodes.map((n) => n.op === "linear" && n.actQuant)).toEqual(["int8", "int8", "int8", "int8", "int8", "int8", undefined]);
  });
});

describe("layout", () => {
  const c = transformerConfig({ ...small, nHeads: 4, dModel: 8, nKeyValueHeads: 2 });
  it("goes to TransformerLens's shapes and back", () => {
    for (const { name, shape } of transformerSpec(c).params) {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
      expect([...fromTransformerLens(c, name, toTransformerLens(c, name, data))]).toEqual([...data]);
    }
  });
  it("puts head, in, out where TransformerLens has them", () => {
    const data = Float32Array.from({ length: 64 }, (_, i) => i); // [head*d_head, d_model]
    const w = toTransformerLens(c, "blocks.0.attn.W_Q", data);
    expect(w.shape).toEqual([4, 8, 2]);
    expect(w.at(3, 5, 1)).toBe((3 * 2 + 1) * 8 + 5);
    expect(transformerLensName(c, "blocks.0.attn.W_K")).toBe("blocks.0.attn._W_K");
  });
  it("names what is missing, unknown or of a wrong shape", () => {
    const names = transformerSpec(c).params.map((p) => p.name);
    const dict = new Map(
      transformerSpec(c).params.map((p) => [
        transformerLensName(c, p.name),
        toTransformerLens(c, p.name, new Float32Array(p.shape.reduce((a, b) => a * b, 1))),
      ]),
    );
    expect(readStateDict(c, names, dict).size).toBe(names.length);
    expect(() => readStateDict(c, names, new Map([...dict, ["blocks.1.attn.W_Q", Tensor.from(new Float32Array(1), [1])]]))).toThrow(
      /E_NAME.*blocks.1.attn.W_Q/,
    );
    expect(() => readStateDict(c, names, new Map([...dict, ["embed.W_E", Tensor.from(new Float32Array(8), [1, 8])]]))).toThrow(/E_SHAPE.*embed.W_E/);
    dict.delete("unembed.W_U");
    expect(() => readStateDict(c, names, dict)).toThrow(/E_NAME.*unembed.W_U/);
  });
});

describe("configFromTransformerLens", () => {
  const tl = { n_layers: 2, d_model: 8, d_head: 4, n_ctx: 5, d_vocab: 9, act_fn: "gelu_new" };
  it("fills TransformerLens's defaults", () => {
    const c = configFromTransformerLens({ ...tl, normalization_type: "LN", final_rms: true, seed: 3, n_key_value_heads: null });
    expect(c).toMatchObject({ nHeads: 2, dMlp: 32, finalNorm: "RMS", attnScale: 2, positions: "standard", nKeyValueHeads: 2, dVocabOut: 9 });
    expect(configFromTransformerLens({ ...tl, normalization_type: null }).normalization).toBe("none");
  });
  it("refuses what would compute something else", () => {
    expect(() => configFromTransformerLens({ ...tl, use_local_attn: true })).toThrow(/E_SPEC.*use_local_attn/);
    expect(() => configFromTransformerLens({ ...tl, n_layerz: 2 })).toThrow(/E_NAME.*n_layers/);
    expect(() => configFromTransformerLens({ ...tl, positional_embedding_type: "alibi" })).toThrow(/E_SPEC.*positions/);
  });
});
