/** Packed layers: the numbers of the dense matrix, other programs' bytes, the same integers on every backend, and how they fail. */
import { type Core, loadCore, PACKED_LAYOUTS, PackedLinear, Tensor } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

const [rows, cols, batch] = [24, 512, 3];

function numbers(stream: number, length: number): Float32Array {
  const out = new Float32Array(length);
  core.random(11, stream, 1, out);
  return out;
}

/** Ternary codes without zeros in the first `binary` case. */
function codesOf(binary: boolean): Int8Array {
  const out = Int8Array.from(numbers(0, rows * cols), (x) => (binary ? (x < 0 ? -1 : 1) : Math.max(-1, Math.min(1, Math.round(x)))));
  return out;
}

/** The product in doubles. */
function exact(w: (r: number, c: number) => number, x: Float32Array): number[] {
  return Array.from({ length: (x.length / cols) * rows }, (_, i) => {
    const row = x.subarray(Math.floor(i / rows) * cols, (Math.floor(i / rows) + 1) * cols);
    return row.reduce((sum, x, c) => sum + x * w(i % rows, c), 0);
  });
}

function expectNear(found: ArrayLike<number>, wanted: readonly number[], tolerance: number): void {
  const largest = Math.max(...wanted.map(Math.abs));
  expect(found.length).toBe(wanted.length);
  for (const [i, w] of wanted.entries()) expect(Math.abs((found[i] as number) - w)).toBeLessThanOrEqual(tolerance * largest);
}

describe("forward and backward", () => {
  for (const format of ["binary", "ternary2", "ternary5"] as const)
    for (const [group, scales, shifts] of [
      [cols, 1, 0],
      [cols, rows, 0],
      [128, rows * 4, rows * 4],
      [64, 1, rows * 8],
    ] as const)
      it(`${format}, groups of ${group}, ${scales} scales, ${shifts} shifts`, () => {
        const codes = codesOf(format === "binary");
        const scale = numbers(1, scales).map((s) => Math.abs(s) + 0.1);
        const shift = numbers(2, shifts);
        const groups = cols / group;
        const w = (r: number, c: number) => {
          const at = r * groups + Math.floor(c / group);
          return (scale[scales === 1 ? 0 : scales === rows ? r : at] as number) * (codes[r * cols + c] as number) + (shift[at] ?? 0);
        };
        using layer = PackedLinear.fromCodes({ codes, rows, cols, group, scales: scale, shifts: shift, format }, { core });
        expect(layer.codes()).toEqual(codes);
        expect(layer.scales()).toEqual(scale);
        expect(layer.shifts()).toEqual(shift);
        const x = numbers(3, batch * cols);
        const y = layer.forward(Tensor.from(x, [batch, cols]), { activations: "f32" });
        expect(y.shape).toEqual([batch, rows]);
        expectNear(y.data, exact(w, x), 1e-6);
        expectNear(layer.forward(x.subarray(0, cols)).data, exact(w, x.subarray(0, cols)), 2e-2);
        const dy = numbers(4, rows);
        const dx = Array.from({ length: cols }, (_, c) => dy.reduce((sum, d, r) => sum + d * w(r, c), 0));
        expectNear(layer.backward(dy).data, dx, 1e-6);
      });

  it("int8 results are the same bits as the scalar specification's in WebAssembly", async () => {
    const other = await loadCore({ backend: "wasm" });
    const parts = { codes: codesOf(false), rows, cols, scales: 0.3 };
    const x = numbers(5, cols);
    using here = PackedLinear.fromCodes(parts, { core });
    using there = PackedLinear.fromCodes(parts, { core: other });
    expect(here.forward(x).data).toEqual(there.forward(x).data);
  });

  it("signs times signs", () => {
    const [w, x] = [codesOf(true), codesOf(true).subarray(0, cols)];
    const pack = (codes: Int8Array, n: number) => {
      const out = new Uint8Array(core.packedBytes("binary", n, cols));
      core.packCodes("binary", codes, n, cols, 1, out);
      return out;
    };
    const y = new Int32Array(rows);
    core.binaryMatmul(pack(w, rows), rows, cols, pack(x, 1), 1, y);
    expect([...y]).toEqual(exact((r, c) => w[r * cols + c] as number, Float32Array.from(x)));
  });
});

describe("other programs' bytes", () => {
  for (const layout of PACKED_LAYOUTS)
    it(`${layout} goes in and out unchanged`, () => {
      const codes = codesOf(layout === "q1_0");
      const bytes = new Uint8Array(core.packedBytes(layout, rows, cols));
      core.packCodes(layout, codes, rows, cols, 0.25, bytes);
      using layer = PackedLinear.fromLayout(layout, bytes, { rows, cols, scale: 0.25 }, { core });
      expect(layer.codes()).toEqual(codes);
      expect([...layer.scales()]).toEqual([0.25]);
      expect(layer.toLayout(layout)).toEqual({ bytes, scale: 0.25 });
    });
});

describe("bad input", () => {
  const parts = () => ({ codes: codesOf(false), rows, cols });
  it("is named", () => {
    expect(codeOf(() => PackedLinear.fromCodes({ ...parts(), rows: 0 }, { core }))).toBe("E_SHAPE");
    expect(codeOf(() => PackedLinear.fromCodes({ ...parts(), group: 100 }, { core }))).toBe("E_SHAPE");
    expect(codeOf(() => PackedLinear.fromCodes({ ...parts(), rows: rows + 1 }, { core }))).toBe("E_SHAPE");
    expect(codeOf(() => PackedLinear.fromCodes({ ...parts(), format: "binary" }, { core }))).toBe("E_FORMAT");
    expect(codeOf(() => PackedLinear.fromCodes({ ...parts(), format: "ternary3" as "ternary2" }, { core }))).toBe("E_NAME");
    expect(codeOf(() => PackedLinear.fromCodes({ ...parts(), scales: Number.NaN }, { core }))).toBe("E_NONFINITE");
    expect(codeOf(() => core.openPacked("ternary2", 1, 4, 0, new Uint8Array(32).fill(255), Float32Array.of(1), new Float32Array(0)))).toBe(
      "E_FORMAT",
    );
    expect(codeOf(() => PackedLinear.fromLayout("hf", new Uint8Array(3), { rows, cols }, { core }))).toBe("E_SHAPE");
    using layer = PackedLinear.fromCodes({ ...parts(), scales: new Float32Array(rows).map((_, r) => r + 1) }, { core });
    expect(codeOf(() => layer.toLayout("hf"))).toBe("E_FORMAT");
    expect(codeOf(() => layer.forward(new Float32Array(cols - 1)))).toBe("E_SHAPE");
    expect(codeOf(() => layer.forward(Tensor.from(new Float32Array(cols), [cols, 1])))).toBe("E_SHAPE");
    expect(codeOf(() => layer.forward(new Float32Array(cols), { out: new Float32Array(1) }))).toBe("E_SHAPE");
    layer.dispose();
    expect(codeOf(() => layer.forward(new Float32Array(cols)))).toBe("E_CLOSED");
  });
  it("NaN and infinity in a row make that row NaN, and no other", () => {
    using layer = PackedLinear.fromCodes({ ...parts(), scales: 0.5 }, { core });
    const x = new Float32Array(2 * cols).fill(1);
    x[5] = Number.POSITIVE_INFINITY;
    const y = layer.forward(x).data;
    expect([...y.subarray(0, rows)].every(Number.isNaN)).toBe(true);
    expect([...y.subarray(rows)].every(Number.isFinite)).toBe(true);
  });
});
