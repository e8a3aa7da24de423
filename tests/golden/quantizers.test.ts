/**
 * Quantisers and packed layouts against transformers' BitNet code, gguf-py and PyTorch autograd (generate/quantizers.py): codes, scales, outputs,
 * straight-through gradients; the Hugging Face and GGUF layouts byte for byte.
 */
import { readdirSync } from "node:fs";
import { type Core, loadCore, Model, type Quantizer, type Spec, SpecBuilder, type StoredTensor, Tensor } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { ACT_TOL, difference, expectClose, GRAD_TOL, get, ORACLES, oracle } from "./support.ts";

const files = readdirSync(`${ORACLES}/quantizers`).filter((name) => name.endsWith(".safetensors"));

let core: Core;
beforeAll(async () => {
  core = await loadCore();
});

it("has cases", () => expect(files.length).toBeGreaterThan(0));

/** Bytes of a stored tensor, as signed codes. */
const codesOf = (file: ReadonlyMap<string, StoredTensor>, name: string): Int8Array =>
  new Int8Array(new Uint8Array(file.get(name)?.bytes as Uint8Array).buffer);

/** y = x W^T with x as the rows of an embedding, so that its gradient can be read as a parameter's. */
function linearSpec(rows: number, cols: number, outputs: number, quant: Quantizer, int8: boolean): Spec {
  const b = new SpecBuilder(rows, 1);
  const x = b.node({ op: "embed", w: b.param("x", [rows, cols], { kind: "constant", value: 0 }) });
  const w = b.param("W", [outputs, cols], { kind: "constant", value: 0 }, quant);
  b.site("hook_x", x, ["batch", "seq", cols]);
  return b.build(b.node({ op: "linear", in: [x], w, b: null, ...(int8 ? { actQuant: "int8" as const } : {}) }));
}

/** Forward and backward of one quantised layer: output, and gradients of W and x for the output gradient G. */
function layer(file: ReadonlyMap<string, StoredTensor>, quant: Quantizer, int8 = false) {
  const [w, x, g] = [get(file, "W"), get(file, "x"), get(file, "G")];
  const [rows, cols] = x.shape as [number, number];
  const model = Model.fromSpec(linearSpec(rows, cols, w.shape[0] as number, quant, int8), { core });
  model.writeParam("x", x.data);
  model.writeParam("W", w.data);
  const tokens = { data: Int32Array.from({ length: rows }, (_, i) => i), shape: [rows, 1] };
  const { logits, paramGrads } = model.runWithCache(tokens, { loss: { grad: g.data }, paramGrads: true });
  const codes = quant === "none" ? undefined : model.paramCodes("W");
  const effective = model.effectiveParam("W");
  model.dispose();
  return {
    y: logits.reshape([rows, w.shape[0] as number]),
    dW: paramGrads?.get("W") as Tensor,
    dx: paramGrads?.get("x") as Tensor,
    codes,
    effective,
  };
}

describe.each(files)("%s", (path) => {
  const file = oracle(`quantizers/${path}`);
  const [rows, cols] = (file.get("W") as StoredTensor).shape as [number, number];

  it("absmean ternary (b1.58): codes, scale, exact and int8 outputs, gradients", () => {
    const exact = layer(file, "ternary");
    expect(exact.codes?.codes).toEqual(codesOf(file, "absmean.codes"));
    expect(difference([exact.codes?.scale as number], get(file, "absmean.scale").data)).toBeLessThanOrEqual(ACT_TOL);
    expectClose("y", exact.y, get(file, "absmean.y_f32act"), ACT_TOL);
    const int8 = layer(file, "ternary", true);
    expectClose("y (int8)", int8.y, get(file, "absmean.y_int8act"), ACT_TOL);
    expectClose("dW", int8.dW, get(file, "absmean.dW"), GRAD_TOL);
    expectClose("dx", int8.dx, get(file, "absmean.dx"), GRAD_TOL);
  });
  it("int8 activations per token: codes and scales", () => {
    const x = get(file, "x");
    const [m, n] = x.shape as [number, number];
    const [codes, scales] = [new Int8Array(m * n), new Float32Array(m)];
    core.quantizeActivations(x.data, m, n, codes, scales);
    expect(codes).toEqual(codesOf(file, "act.codes"));
    expect(difference(scales, get(file, "act.scale").data)).toBeLessThanOrEqual(ACT_TOL);
  });
  it("binary with beta (BitNet): codes, scale, output, gradient", () => {
    const found = layer(file, "binary");
    expect(found.codes?.codes).toEqual(codesOf(file, "binary.codes"));
    expect(difference([found.codes?.scale as number], get(file, "binary.beta").data)).toBeLessThanOrEqual(ACT_TOL);
    expectClose("y", found.y, get(file, "binary.y_f32act"), ACT_TOL);
    expectClose("dW", found.dW, get(file, "binary.dW"), GRAD_TOL);
  });
  it("binary without scale (Li): output, gradient", () => {
    const found = layer(file, "li_binary");
    expect(found.codes?.scale).toBe(1);
    expectClose("y", found.y, get(file, "li_binary.y"), ACT_TOL);
    expectClose("dW", found.dW, get(file, "li_binary.dW"), GRAD_TOL);
  });
  it("centred ternary (Li): codes, scale, output, gradient", () => {
    const found = layer(file, "li_ternary");
    expect(found.codes?.codes).toEqual(codesOf(file, "li_ternary.codes"));
    expect(difference([found.codes?.scale as number], get(file, "li_ternary.gamma").data)).toBeLessThanOrEqual(ACT_TOL);
    expectClose("y", found.y, get(file, "li_ternary.y"), ACT_TOL);
    expectClose("dW", found.dW, get(file, "li_ternary.dW"), GRAD_TOL);
  });
  it("packed products equal the layer: f32 and int8 activations", () => {
    const x = get(file, "x");
    const m = x.shape[0] as number;
    const codes = codesOf(file, "absmean.codes");
    const scale = get(file, "absmean.scale").data[0] as number;
    const [act, actScales] = [new Int8Array(x.size), new Float32Array(m)];
    core.quantizeActivations(x.data, m, cols, act, actScales);
    for (const format of ["ternary2", "ternary5"]) {
      const packed = new Uint8Array(core.packedBytes(format, rows, cols));
      core.packCodes(format, codes, rows, cols, 1, packed);
      const [y, sums] = [new Float32Array(m * rows), new Int32Array(m * rows)];
      core.packedMatmul(format, packed, rows, cols, scale, x.data, m, y);
      expectClose(`${format} f32`, Tensor.from(y, [m, rows]), get(file, "absmean.y_f32act"), ACT_TOL);
      core.packedMatmulInt8(format, packed, rows, cols, act, m, sums);
      const dequantised = Float32Array.from(sums, (s, i) => s * scale * (actScales[Math.floor(i / rows)] as number));
      expectClose(`${format} int8`, Tensor.from(dequantised, [m, rows]), get(file, "absmean.y_int8act"), ACT_TOL);
    }
  });
  it("Hugging Face packing, byte for byte and back", () => {
    const [codes, expected] = [codesOf(file, "absmean.codes"), file.get("hf_packed")?.bytes as Uint8Array];
    const packed = new Uint8Array(core.packedBytes("hf", rows, cols));
    core.packCodes("hf", codes, rows, cols, 1, packed);
    expect(packed).toEqual(new Uint8Array(expected));
    const back = new Int8Array(rows * cols);
    core.unpackCodes("hf", new Uint8Array(expected), rows, cols, back);
    expect(back).toEqual(codes);
  });

  const blocks = [...file.keys()].filter((n) => /^gguf\.[^.]+$/.test(n)).map((n) => n.slice("gguf.".length));
  it("has GGUF blocks", () => expect(blocks.length).toBeGreaterThan(0));
  it.each(blocks)("GGUF %s: quantised and dequantised bit for bit", (type) => {
    const scale = get(file, "absmean.scale").data[0] as number;
    // As the generator: codes times the f32 scale, rounded to f32.
    const values = Float32Array.from(codesOf(file, "absmean.codes"), (c) => Math.fround(c * scale));
    const expected = new Uint8Array(file.get(`gguf.${type}`)?.bytes as Uint8Array);
    const format = type.toLowerCase();
    const packed = new Uint8Array(core.packedBytes(format, rows, cols));
    core.quantizeBlocks(format, values, cols, packed);
    expect(Buffer.compare(packed, expected), "quantised bytes").toBe(0);
    const back = new Float32Array(rows * cols);
    core.dequantizeBlocks(format, expected, cols, back);
    expect(back).toEqual(get(file, `gguf.${type}.dequantized`).data);
  });
});
