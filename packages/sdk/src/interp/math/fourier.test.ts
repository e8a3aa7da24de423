import { describe, expect, test } from "vitest";
import { basisLabels, fourierBasis, frequencies, transform, transform2d } from "./fourier.ts";
import { degree2Power, filterLine, lineIndex, marginals, meanOverPairs, transformMarginals } from "./marginals.ts";
import { multiplyTransposed } from "./matrix.ts";
import { sumOfSquares } from "./statistics.ts";

/** Reproducible numbers in [-1, 1). */
function noise(n: number): Float64Array {
  let state = 12345;
  return Float64Array.from({ length: n }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

describe.each([3, 5, 8, 59, 112, 113])("p = %i", (p) => {
  const basis = fourierBasis(p);

  test("F F^T is the identity", () => {
    const product = multiplyTransposed(basis, basis, p, p, p);
    const worst = product.reduce((top, value, i) => Math.max(top, Math.abs(value - (i % (p + 1) === 0 ? 1 : 0))), 0);
    expect(worst).toBeLessThan(1e-12);
  });

  test("one row a label, floor((p-1)/2) frequencies", () => {
    expect(basisLabels(p)).toHaveLength(p);
    expect(frequencies(p)).toHaveLength(Math.floor((p - 1) / 2));
  });
});

test("the basis of p = 113 has exactly 1 + 2 * 56 rows (Li's code has 115)", () => {
  expect(basisLabels(113).slice(-2)).toEqual(["cos 56", "sin 56"]);
});

test("the 2-D transform preserves the sum of squares", () => {
  const p = 11;
  const x = noise(p * p * 3);
  expect(sumOfSquares(transform2d(fourierBasis(p), x, p, 3))).toBeCloseTo(sumOfSquares(x), 10);
});

test("transform equals the plain sum on widths around its block size", () => {
  const p = 7;
  const basis = fourierBasis(p);
  for (const columns of [1, 63, 64, 65, 130]) {
    const x = noise(p * columns);
    const found = transform(basis, x, p, columns);
    const at = (f: number, j: number): number =>
      Array.from({ length: p }, (_, t) => basis[f * p + t] * x[t * columns + j]).reduce((s, v) => s + v, 0);
    for (const j of [0, columns - 1]) expect(found[3 * columns + j]).toBeCloseTo(at(3, j), 12);
  }
});

describe.each([9, 10, 13])("line sums at p = %i", (p) => {
  const n = 2;
  const x = noise(p * p * n);
  const basis = fourierBasis(p);
  const hat = transformMarginals(basis, marginals(x, p, n), p, n);

  test("give the eight degree-2 terms of the 2-D transform", () => {
    const full = transform2d(basis, x, p, n);
    for (const k of frequencies(p)) {
      const [c, s] = [2 * k - 1, 2 * k];
      const terms = [
        [0, c],
        [0, s],
        [c, 0],
        [s, 0],
        [c, c],
        [c, s],
        [s, c],
        [s, s],
      ] as const;
      const expected = terms.reduce((sum, [f, g]) => sum + full[(f * p + g) * n] ** 2, 0);
      expect(degree2Power(hat, k, p, n)[0]).toBeCloseTo(expected, 10);
    }
  });

  test("filtering a line twice changes nothing more (P_K is idempotent) and leaves mean zero", () => {
    const once = spread(filterLine(basis, hat.sum, [1, 2], p, n), p, n);
    const sums = marginals(once, p, n);
    const twice = spread(filterLine(basis, transformMarginals(basis, sums, p, n).sum, [1, 2], p, n), p, n);
    twice.forEach((value, i) => void expect(value).toBeCloseTo(once[i], 12));
    for (const value of meanOverPairs(sums, p, n)) expect(Math.abs(value)).toBeLessThan(1e-12);
  });
});

/** A table over a+b as a function of pairs. */
function spread(table: Float64Array, p: number, n: number): Float64Array {
  return Float64Array.from({ length: p * p * n }, (_, i) => {
    const pair = Math.floor(i / n);
    return table[lineIndex.sum(Math.floor(pair / p), pair % p, p) * n + (i % n)];
  });
}
