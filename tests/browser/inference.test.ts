/** The small build: the same activations as the full one, hooks and edits, and typed errors for what it leaves out. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Core, loadCore, Model, modularAddition, SpecBuilder, train } from "tritlens";
import { liConfig } from "tritlens/models";
import { beforeAll, describe, expect, it } from "vitest";

const CONFIG = liConfig({ p: 13, mode: "ternary", dModel: 16, nHeads: 2, dHead: 8, dMlp: 24 });
const TOKENS = [
  [1, 2, 13],
  [5, 7, 13],
];

let small: Core;
let full: Core;
beforeAll(async () => {
  const wasmBinary = readFileSync(createRequire(import.meta.url).resolve("@tritlens/wasm/tritlens_inference_bg.wasm"));
  small = await loadCore({ backend: "wasm", wasmPackage: () => import("@tritlens/wasm/inference"), wasmBinary });
  full = await loadCore({ backend: "wasm", parallel: "none" });
});

const NUMBERS = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k", "q2_0"];
const PACKED = ["q1_0", "tq1_0", "tq2_0", "i2_s", "i2_s_neon", "hf", "binary", "ternary2", "ternary5"];
const FORMATS = [...NUMBERS, ...PACKED];
const [ROWS, COLS] = [12, 512];
const VALUES = Float32Array.from({ length: ROWS * COLS }, (_, i) => Math.fround(Math.sin(i * 0.37)));

/** A matrix in a format: codes packed, numbers quantised; what can only be read is any bytes with scales that are numbers. */
function bytesOf(format: string): Uint8Array {
  const bytes = new Uint8Array(full.storedBytes(format, ROWS, COLS));
  const codes = Int8Array.from(VALUES, (v) => (format === "binary" || format === "q1_0" ? (v < 0 ? -1 : 1) : Math.round(v)));
  if (format === "f32") bytes.set(new Uint8Array(VALUES.buffer));
  else if (format === "q4_k" || format === "q6_k") {
    const [block, scales] = format === "q4_k" ? [144, [0, 2]] : [210, [208]];
    bytes.forEach((_, i) => {
      const at = i % block;
      const half = scales.find((s) => at === s || at === s + 1);
      // The f16 0x2c00 is 1/16.
      bytes[i] = half === undefined ? (i * 167 + 13) % 256 : at === half ? 0 : 0x2c;
    });
  } else if (NUMBERS.includes(format)) full.quantizeBlocks(format, VALUES, COLS, bytes);
  else full.packCodes(format, codes, ROWS, COLS, 0.5, bytes);
  return bytes;
}

/** Rows of a table of three times W^T: all three at once, then the first alone. */
function product(core: Core, actQuant: "none" | "int8", fill: (program: ReturnType<Core["compile"]>) => void): Float32Array {
  const b = new SpecBuilder(3, 3);
  const x = b.node({ op: "embed", w: b.param("E", [3, COLS], { kind: "normal", std: 1 }) });
  const spec = b.build(b.node({ op: "linear", in: [x], w: b.stored("W", [ROWS, COLS]), b: null, ...(actQuant === "int8" && { actQuant }) }));
  const program = core.compile(JSON.stringify(spec));
  core.init(program, 5);
  fill(program);
  const place = new Float64Array(8);
  const logits = [[0, 1, 2], [0]].map((tokens) => {
    const run = core.openInference(program, 0, 1, tokens.length, new Uint8Array(0), false);
    core.setTokens(run, Int32Array.from(tokens));
    core.step(run);
    core.sitePlace(run, -1, place);
    const [offset, length] = place as unknown as [number, number];
    const out = core.arena(run).slice(offset, offset + length);
    core.closeRun(run);
    return [...out];
  });
  core.closeProgram(program);
  return Float32Array.from(logits.flat());
}

function multiply(core: Core, format: string, bytes: Uint8Array, act: "none" | "int8" = "none"): Float32Array {
  return product(core, act, (program) => {
    core.openStored(program, 1, format, 0.5);
    core.writeStored(program, 1, 0, bytes);
    core.finishStored(program, 1);
  });
}

/** Sums in another order: within 1e-5 of the largest. */
function expectClose(actual: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  expect(largest).toBeGreaterThan(0);
  expect(actual).toHaveLength(expected.length);
  const worst = expected.reduce((m, x, i) => Math.max(m, Math.abs(x - (actual[i] as number))), 0);
  expect(worst).toBeLessThanOrEqual(1e-5 * largest);
}

describe("the build for inference", () => {
  it("computes the activations of the full one, bit for bit, with an edit on the way", () => {
    const [a, b] = [small, full].map((core) => {
      using model = Model.fromConfig(CONFIG, { core, seed: 4 });
      const seen: number[][] = [];
      const logits = model.runWithHooks(TOKENS, {
        hooks: [
          ["blocks.0.attn.hook_z", { kind: "scale", factor: 0.5, at: { head: 1 } }],
          ["blocks.0.hook_mlp_out", (value) => void seen.push([...value.data])],
        ],
      });
      return { logits: [...logits.data], seen };
    });
    expect(a).toEqual(b);
    expect(a?.seen).toHaveLength(1);
    expect(small).not.toBe(full);
  });

  it.each(FORMATS)("opens %s and multiplies with it as the full one does", (format) => {
    const bytes = bytesOf(format);
    const [a, b] = [small, full].map((core) => multiply(core, format, bytes));
    expectClose(a as Float32Array, b as Float32Array);
  });

  it.each(PACKED)("multiplies %s and int8 activations bit for bit", (format) => {
    const bytes = bytesOf(format);
    const [a, b] = [small, full].map((core) => multiply(core, format, bytes, "int8"));
    expect(a).toEqual(b);
  });

  it.each([8, 32])("multiplies groups of %i", (group) => {
    const codes = Int8Array.from({ length: ROWS * COLS }, (_, i) => ((i * 7 + (i >> 3)) % 3) - 1);
    const scales = Float32Array.from({ length: (ROWS * COLS) / group }, (_, i) => 0.5 + (i % 5) / 8);
    for (const act of ["none", "int8"] as const) {
      const [a, b] = [small, full].map((core) =>
        product(core, act, (program) => core.setStoredCodes(program, 1, "ternary2", group, codes, scales, new Float32Array(0))),
      );
      expectClose(a as Float32Array, b as Float32Array);
    }
  });

  it("says what it has not", async () => {
    using model = Model.fromConfig(CONFIG, { core: small, seed: 4 });
    expect(() => small.openRun(model.program, 2, 3, 2)).toThrow(/E_BACKEND.*no openRun/);
    await expect(train(model, modularAddition({ p: 13 }), { steps: 1 }).next()).rejects.toMatchObject({ code: "E_BACKEND" });
  });
});
