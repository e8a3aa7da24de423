/** The core behind one backend: what it says about itself, initial weights, packing, products, and how it fails. */
import { type Core, type Model, type Tensor, TritlensError } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { BACKEND, codeOf, coreUnderTest, smallLi } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

/** FNV-1a over the bytes: enough to compare arrays between processes. */
function fingerprint(data: ArrayBufferView): string {
  let h = 0x811c9dc5;
  for (const b of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) h = Math.imul(h ^ b, 0x01000193);
  return (h >>> 0).toString(16);
}

describe("info", () => {
  it("names the kernels in use and those available", () => {
    const info = core.info();
    expect(info.isas).toContain(info.isa);
    if (process.env.TRITLENS_ISA) expect(info.isa).toBe(process.env.TRITLENS_ISA);
    expect(info.threads).toBeGreaterThanOrEqual(1);
  });
});

describe("the generator", () => {
  it("gives the same numbers on every backend", () => {
    const [uniform, normal] = [new Float32Array(1000), new Float32Array(1000)];
    core.random(7, 3, 0, uniform);
    core.random(7, 3, 1, normal);
    expect([fingerprint(uniform), fingerprint(normal)]).toMatchInlineSnapshot(`
      [
        "d8635a8d",
        "98cee738",
      ]
    `);
    expect(Math.max(...uniform)).toBeLessThan(1);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
  });
  it("gives the same initial weights and codes on every backend", () => {
    const model = smallLi("li_ternary", 5);
    const prints = model.paramNames.map((name) => fingerprint(model.readParam(name).data));
    const codes = ["blocks.0.attn.W_Q", "blocks.0.mlp.W_out"].map((name) => fingerprint(model.paramCodes(name).codes));
    model.dispose();
    expect([...prints, ...codes]).toMatchInlineSnapshot(`
      [
        "5efe89d3",
        "98fbb9fa",
        "1b90cfff",
        "c01d9786",
        "f04626f0",
        "92729a7c",
        "8bf96f31",
        "64c31e85",
        "b8f0f9a9",
        "ed6e6264",
        "a7048abe",
      ]
    `);
  });
});

describe("packing and products", () => {
  const [rows, cols, m] = [5, 37, 3];
  const codes = Int8Array.from({ length: rows * cols }, (_, i) => ((i * 7 + 3) % 3) - 1);
  const signs = Int8Array.from(codes, (c) => (c >= 0 ? 1 : -1));

  it.each([
    ["binary", signs],
    ["ternary2", codes],
    ["ternary5", codes],
  ])("%s packs and unpacks, and multiplies exactly", (format, w) => {
    const packed = new Uint8Array(core.packedBytes(format, rows, cols));
    core.packCodes(format, w, rows, cols, 1, packed);
    const back = new Int8Array(rows * cols);
    core.unpackCodes(format, packed, rows, cols, back);
    expect(back).toEqual(w);
    const x = Int8Array.from({ length: m * cols }, (_, i) => ((i * 31) % 255) - 127);
    const y = new Int32Array(m * rows);
    core.packedMatmulInt8(format, packed, rows, cols, x, m, y);
    const expected = Array.from({ length: m * rows }, (_, k) => {
      const [i, r] = [Math.floor(k / rows), k % rows];
      return Array.from({ length: cols }, (_, c) => (x[i * cols + c] as number) * (w[r * cols + c] as number)).reduce((a, b) => a + b, 0);
    });
    expect([...y]).toEqual(expected);
  });
  it("refuses what does not fit", () => {
    expect(codeOf(() => core.packedBytes("ternary9", 1, 1))).toBe("E_NAME");
    expect(codeOf(() => core.packCodes("ternary2", codes, rows, cols + 1, 1, new Uint8Array(1)))).toBe("E_SHAPE");
    expect(codeOf(() => core.unpackCodes("ternary2", new Uint8Array(core.packedBytes("ternary2", 1, 4)).fill(255), 1, 4, new Int8Array(4)))).toBe(
      "E_FORMAT",
    );
  });
});

/** What a call gives, or `other` when the engine refuses a transfer with its own DataCloneError or TypeError. */
function transferOr(call: () => Tensor, other: Tensor): Tensor {
  try {
    return call();
  } catch (error) {
    expect(error).not.toBeInstanceOf(TritlensError);
    return other;
  }
}

describe("handles", () => {
  it("that were closed are E_CLOSED, in every call", () => {
    const model = smallLi();
    const program = model.program;
    model.dispose();
    expect(codeOf(() => core.describe(program))).toBe("E_CLOSED");
    expect(codeOf(() => core.openRun(program, 1, 3, 0))).toBe("E_CLOSED");
    expect(codeOf(() => core.openTrainer(program, "{}"))).toBe("E_CLOSED");
  });
  it("keep working after a failed call", () => {
    const model = smallLi();
    for (let i = 0; i < 5; i++) expect(codeOf(() => model.forward([[99, 0, 11]]))).toBe("E_RANGE");
    expect(model.forward([[1, 0, 11]]).shape).toEqual([1, 11]);
    model.dispose();
  });
});

describe("bad input", () => {
  let model: Model;
  beforeAll(() => {
    model = smallLi("ternary");
  });
  it("a Spec that is none", () => {
    expect(codeOf(() => core.compile("{"))).toBe("E_SPEC");
    expect(codeOf(() => core.compile('{"vocab":1,"ctx":1,"params":[],"nodes":[{"op":"linaer"}],"sites":[],"output":0}'))).toBe("E_SPEC");
  });
  it("arrays of wrong lengths", () => {
    expect(codeOf(() => core.readParam(model.program, 0, new Float32Array(3)))).toBe("E_SHAPE");
    expect(codeOf(() => model.writeParam("embed.W_E", new Float32Array(3)))).toBe("E_SHAPE");
    expect(codeOf(() => core.matmul(new Float32Array(3), new Float32Array(4), 2, 2, 2, new Float32Array(4)))).toBe("E_SHAPE");
  });
  it("transferred buffers", () => {
    const gone = new Float32Array(4);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(codeOf(() => model.writeParam("embed.W_E", gone))).toBe("E_DETACHED");
    const tokens = new Int32Array(3);
    structuredClone(tokens.buffer, { transfer: [tokens.buffer] });
    expect(codeOf(() => model.forward(tokens))).toBe("E_DETACHED");
    expect(codeOf(() => core.quantizeWeights("ternary", gone, new Int8Array(4)))).toBe("E_DETACHED");
  });
  it("the activations of a run, transferred from inside of a hook", () => {
    const transfer = () =>
      model.runWithHooks([[1, 2, 11]], {
        hooks: [["hook_embed", (value) => void structuredClone(value.data.buffer, { transfer: [value.data.buffer as ArrayBuffer] })]],
      });
    if (BACKEND === "native") expect(codeOf(transfer)).toBe("E_DETACHED");
    // WebAssembly memory cannot be detached: the engine refuses or ignores the transfer, and the run is what it would have been.
    else expect([...transferOr(transfer, model.forward([[1, 2, 11]])).data]).toEqual([...model.forward([[1, 2, 11]]).data]);
    expect(model.forward([[1, 2, 11]]).size).toBe(11);
  });
  it("indices and codes that are not there", () => {
    expect(codeOf(() => core.readParam(model.program, 99, new Float32Array(1)))).toMatch(/E_RANGE|E_NAME/);
    expect(codeOf(() => model.paramCodes("embed.W_E"))).toBe("E_NAME");
    expect(codeOf(() => core.quantizeWeights("ternry", new Float32Array(2), new Int8Array(2)))).toMatch(/E_NAME|E_MODE/);
  });
  it("errors say what was expected and found", () => {
    try {
      model.writeParam("embed.W_E", new Float32Array(3));
    } catch (error) {
      expect(error).toBeInstanceOf(TritlensError);
      expect(error).toMatchObject({ expected: String(12 * 24), found: "3" });
    }
  });
});
