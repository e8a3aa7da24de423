import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadCore } from "../core/index.ts";
import { METHODS, type QuantizedMatrix, type QuantizeOptions, quantizeMatrix } from "./quantize.ts";
import { sortedMagnitudes } from "./sort.ts";

/** Few distinct values, so that ties and zeros happen. */
const weights = fc.array(
  fc.oneof(
    fc.integer({ min: -4, max: 4 }).map((i) => i / 8),
    fc.float({ min: -1, max: 1, noNaN: true }),
  ),
  {
    minLength: 1,
    maxLength: 7,
  },
);

function errorOf(w: ArrayLike<number>, q: QuantizedMatrix): number {
  let sum = 0;
  for (let i = 0; i < w.length; i++) {
    const segment = q.scales.length === 1 ? 0 : Math.floor(i / q.group);
    sum += ((w[i] as number) - (q.scales[segment] as number) * (q.codes[i] as number) - (q.shifts[segment] ?? 0)) ** 2;
  }
  return sum;
}

/** The least squared error over all codes, with the best scale (and shift) for each. */
function bestError(w: readonly number[], codesOf: readonly number[], withShift: boolean): number {
  let best = Number.POSITIVE_INFINITY;
  for (let c = 0; c < codesOf.length ** w.length; c++) {
    const codes = w.map((_, i) => codesOf[Math.floor(c / codesOf.length ** i) % codesOf.length] as number);
    best = Math.min(best, residual(w, codes, withShift));
  }
  return best;
}

function residual(w: readonly number[], codes: readonly number[], withShift: boolean): number {
  const centred = (x: readonly number[]): number[] => {
    const mean = withShift ? x.reduce((a, b) => a + b, 0) / x.length : 0;
    return x.map((v) => v - mean);
  };
  const [x, t] = [centred(w), centred(codes)];
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((s, v, i) => s + v * (b[i] as number), 0);
  const square = dot(t, t);
  return dot(x, x) - (square > 1e-12 ? dot(x, t) ** 2 / square : 0);
}

const quantize = (w: readonly number[], options: QuantizeOptions): QuantizedMatrix =>
  quantizeMatrix(Float32Array.from(w), 1, w.length, { halfScales: false, ...options });

describe("quantisers after training", () => {
  it("twnExact finds the least error of all ternary codes", () => {
    fc.assert(
      fc.property(weights, (list) => {
        const w = list.map(Math.fround);
        expect(errorOf(w, quantize(w, { format: "ternary", method: "twnExact" }))).toBeLessThanOrEqual(bestError(w, [-1, 0, 1], false) + 1e-6);
      }),
      { numRuns: 150 },
    );
  });

  it("sign finds the least error of all binary codes", () => {
    fc.assert(
      fc.property(weights, (list) => {
        const w = list.map(Math.fround);
        expect(errorOf(w, quantize(w, { format: "binary", method: "sign" }))).toBeLessThanOrEqual(bestError(w, [-1, 1], false) + 1e-6);
      }),
    );
  });

  it("least squares ends where codes are the nearest and scale and shift the best, and is never worse than where it began", () => {
    fc.assert(
      fc.property(fc.constantFrom("ternary" as const, "binary" as const), fc.boolean(), weights, (format, shift, list) => {
        const w = list.map(Math.fround);
        const q = quantize(w, { format, method: "leastSquares", shift, granularity: "row" });
        const error = errorOf(w, q);
        const levels = (format === "ternary" ? [-1, 0, 1] : [-1, 1]).map((t) => t * (q.scales[0] as number) + (q.shifts[0] ?? 0));
        const nearest = w.reduce((s, x) => s + Math.min(...levels.map((l) => (x - l) ** 2)), 0);
        expect(error).toBeLessThanOrEqual(nearest + 1e-6);
        expect(error).toBeLessThanOrEqual(residual(w, [...q.codes], shift) + 1e-6);
        const start = quantize(w, format === "ternary" ? { format, method: "twn" } : { format, method: "sign", shift, granularity: "row" });
        if (format === "binary" || !shift) expect(error).toBeLessThanOrEqual(errorOf(w, start) + 1e-6);
        expect(bestError(w, format === "ternary" ? [-1, 0, 1] : [-1, 1], shift)).toBeLessThanOrEqual(error + 1e-6);
      }),
    );
  });

  it("has the published errors on normal weights: 0.264 absmean, 0.192 TWN, 0.1906 least squares, 0.3634 = 1 - 2/pi signs", async () => {
    const core = await loadCore();
    const w = new Float32Array(200_000);
    core.random(5, 0, 1, w);
    const square = w.reduce((s, x) => s + x * x, 0);
    const relative = (options: QuantizeOptions): number => errorOf(w, quantizeMatrix(w, 1, w.length, options)) / square;
    expect(relative({ format: "ternary", method: "absmean" })).toBeCloseTo(0.264, 2);
    expect(relative({ format: "ternary", method: "twn" })).toBeCloseTo(0.192, 2);
    const exact = relative({ format: "ternary", method: "twnExact" });
    // Of 200,000 numbers, so to about 0.001.
    expect(Math.abs(exact - 0.1906)).toBeLessThan(0.001);
    expect(relative({ format: "ternary", method: "leastSquares" }) / exact).toBeCloseTo(1, 4);
    expect(relative({ format: "binary", method: "sign" })).toBeCloseTo(1 - 2 / Math.PI, 2);
    // With mean 1 a threshold about 0 loses; codes about the shift do not (TernaryLLM; 0.33 and 0.19 of the variance).
    const moved = w.map((x) => x + 1);
    const variance = (options: QuantizeOptions): number => errorOf(moved, quantizeMatrix(moved, 1, w.length, options)) / w.length;
    expect(variance({ format: "ternary", method: "twn" })).toBeCloseTo(0.331, 2);
    expect(variance({ format: "ternary", method: "leastSquares", granularity: "row", shift: true })).toBeCloseTo(0.1901, 2);
  });

  it("absmean gives the codes of the quantiser that training uses", async () => {
    const core = await loadCore();
    const w = new Float32Array(64 * 96);
    core.random(9, 0, 1, w);
    const codes = new Int8Array(w.length);
    const scale = core.quantizeWeights("ternary", w, codes);
    const q = quantizeMatrix(w, 64, 96, { format: "ternary", method: "absmean", halfScales: false });
    expect(q.scales[0]).toBeCloseTo(scale, 6);
    expect(q.codes).toEqual(codes);
  });

  it("cuts matrices into rows and groups", () => {
    const w = Float32Array.of(1, -1, 2, 2, 0, 0, 8, -8);
    const of = (granularity: "tensor" | "row" | "group") => quantizeMatrix(w, 2, 4, { format: "ternary", method: "twn", granularity, groupSize: 2 });
    expect([...of("group").scales]).toEqual([1, 2, 0, 8]);
    expect([...of("row").scales]).toEqual([2, 8]);
    expect(of("row").codes).toEqual(Int8Array.of(0, 0, 1, 1, 0, 0, 1, -1));
    expect(of("tensor").scales.length).toBe(1);
    expect([of("tensor").group, of("row").group, of("group").group]).toEqual([4, 4, 2]);
  });

  it("survives constant, zero and single weights", () => {
    for (const format of ["ternary", "binary"] as const)
      for (const method of METHODS[format])
        for (const shift of method === "leastSquares" || method === "sign" ? [false, true] : [false])
          for (const w of [[0, 0, 0], [0.5, 0.5, 0.5], [-0.25], [0]]) {
            const q = quantize(w, { format, method, shift, granularity: "row" });
            expect(Number.isFinite(errorOf(w, q))).toBe(true);
            if (shift) expect(errorOf(w, q)).toBeLessThan(1e-12);
          }
  });

  it("refuses what it cannot do", () => {
    const w = new Float32Array(8);
    const run =
      (options: object, data: Float32Array = w) =>
      () =>
        quantizeMatrix(data, 2, 4, options as QuantizeOptions);
    expect(run({ format: "quaternary" })).toThrow(/E_NAME.*did you mean ternary/);
    expect(run({ format: "binary", method: "twn" })).toThrow(/E_NAME/);
    expect(run({ format: "ternary", granularity: "rows" })).toThrow(/E_NAME.*row/);
    expect(run({ format: "ternary", method: "twn", granularity: "row", shift: true })).toThrow(/E_MODE/);
    expect(run({ format: "ternary", shift: true })).toThrow(/E_MODE/);
    expect(run({ format: "ternary", granularity: "group", groupSize: 3 })).toThrow(/E_SHAPE.*divisor of 4/);
    expect(run({ format: "ternary" }, new Float32Array(7))).toThrow(/E_SHAPE/);
    expect(run({ format: "ternary" }, Float32Array.of(0, 1, 2, Number.NaN, 0, 0, 0, 0))).toThrow(/E_NONFINITE.*weight 3/);
    expect(run({ format: "ternary" }, Float32Array.of(0, 1, 2, 0, 0, Number.POSITIVE_INFINITY, 0, 0))).toThrow(/E_NONFINITE.*weight 5/);
  });

  it("sorts magnitudes as a comparison would", async () => {
    const core = await loadCore();
    const w = new Float32Array(5000);
    core.random(1, 0, 1, w);
    w.fill(0, 100, 120);
    expect(sortedMagnitudes(w, 10, 4900)).toEqual(w.slice(10, 4910).map(Math.abs).sort());
    expect(sortedMagnitudes(w, 10, 50)).toEqual(w.slice(10, 60).map(Math.abs).sort());
  });
});
