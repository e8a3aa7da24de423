import { leadingSvd, realEigenvalues, symmetricEigenvalues, thinQr, thinSvd } from "tritlens/interp";
import { describe, expect, it } from "vitest";

/** Numbers that look random and are the same everywhere. */
const noise = (n: number, seed = 1): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => Math.sin((i + 1) * 12.9898 * seed) * 3 + Math.cos(i * i * 0.37 + seed));

function product(a: ArrayLike<number>, b: ArrayLike<number>, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let l = 0; l < k; l++) for (let j = 0; j < n; j++) out[i * n + j] += a[i * k + l] * b[l * n + j];
  return out;
}

const flip = (a: ArrayLike<number>, m: number, n: number): Float64Array =>
  Float64Array.from({ length: m * n }, (_, i) => a[(i % m) * n + Math.floor(i / m)]);

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((top, x, i) => Math.max(top, Math.abs(x - b[i])), 0);

function requireOrthonormal(columns: Float64Array, rows: number, k: number): void {
  const gram = product(flip(columns, rows, k), columns, k, rows, k);
  expect(
    farthest(
      gram,
      Float64Array.from({ length: k * k }, (_, i) => (i % k === Math.floor(i / k) ? 1 : 0)),
    ),
  ).toBeLessThan(1e-12);
}

/** Full rank, dependent columns, a zero column, a zero matrix, ternary entries. */
const cases: [string, number, number, Float64Array][] = [
  ["tall", 9, 5, noise(45)],
  ["wide", 4, 7, noise(28)],
  ["square", 6, 6, noise(36)],
  ["rank 2", 8, 5, product(noise(16), noise(10, 2), 8, 2, 5)],
  ["zero", 5, 3, new Float64Array(15)],
  ["ternary", 12, 8, noise(96).map((x) => (Math.abs(x) < 2 ? 0 : Math.sign(x)))],
  ["one", 1, 1, Float64Array.of(-3)],
];

describe.each(cases)("%s", (_, rows, cols, a) => {
  it("is Q R", () => {
    const { q, r, k } = thinQr(a, rows, cols);
    requireOrthonormal(q, rows, k);
    expect(farthest(product(q, r, rows, k, cols), a)).toBeLessThan(1e-12);
    for (let i = 0; i < k; i++) for (let j = 0; j < i; j++) expect(r[i * cols + j]).toBe(0);
  });
  it("is U S V^T with falling S", () => {
    const { u, s, v, k } = thinSvd(a, rows, cols);
    requireOrthonormal(u, rows, k);
    requireOrthonormal(v, cols, k);
    const scaled = u.map((x, i) => x * s[i % k]);
    expect(farthest(product(scaled, flip(v, cols, k), rows, k, cols), a)).toBeLessThan(1e-12);
    for (let i = 1; i < k; i++) expect(s[i]).toBeLessThanOrEqual(s[i - 1]);
  });
});

describe("realEigenvalues", () => {
  it("finds those of a companion matrix: roots 1, 2, 3 and i, -i", () => {
    // (x-1)(x-2)(x-3)(x^2+1) = x^5 - 6x^4 + 12x^3 - 12x^2 + 11x - 6
    const coefficients = [6, -11, 12, -12, 6];
    const a = new Float64Array(25);
    for (let i = 0; i < 4; i++) a[i * 5 + i + 1] = 1;
    for (let j = 0; j < 5; j++) a[20 + j] = coefficients[j];
    const { re, im } = realEigenvalues(a, 5);
    expect([...re.slice(0, 3)].map((x) => x.toFixed(9))).toEqual(["3.000000000", "2.000000000", expect.any(String)]);
    expect([...im].map((x) => Math.round(x)).sort()).toEqual([-1, 0, 0, 0, 1]);
    expect(re.reduce((sum, x) => sum + x, 0)).toBeCloseTo(6, 10);
  });
  it.each([2, 3, 7, 24])("cycles of %i places have the roots of one", (n) => {
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) a[i * n + ((i + 1) % n)] = 1;
    const { re, im } = realEigenvalues(a, n);
    for (let i = 0; i < n; i++) {
      expect(Math.hypot(re[i], im[i])).toBeCloseTo(1, 10);
      const angle = (Math.atan2(im[i], re[i]) * n) / (2 * Math.PI);
      expect(angle - Math.round(angle)).toBeCloseTo(0, 8);
    }
  });
  it("sums to the trace and multiplies to traces of powers", () => {
    for (const n of [1, 2, 5, 16, 40]) {
      const a = noise(n * n, n);
      const { re, im } = realEigenvalues(a, n);
      const trace = (m: ArrayLike<number>): number => Array.from({ length: n }, (_, i) => m[i * n + i]).reduce((x, y) => x + y, 0);
      expect(re.reduce((x, y) => x + y, 0)).toBeCloseTo(trace(a), 8);
      const square = re.reduce((sum, x, i) => sum + x * x - im[i] * im[i], 0);
      const expected = trace(product(a, a, n, n, n));
      expect(Math.abs(square - expected) / (1 + Math.abs(expected))).toBeLessThan(1e-9);
    }
  });
  it("of a nilpotent and of a zero matrix are 0", () => {
    expect(Math.max(...realEigenvalues(new Float64Array(16), 4).re.map(Math.abs))).toBe(0);
    const { re, im } = realEigenvalues(Float64Array.of(0, 1, 0, 0), 2);
    expect([...re, ...im]).toEqual([0, 0, 0, 0]);
  });
  it("refuses what is not finite", () => {
    expect(() => realEigenvalues(Float64Array.of(1, Number.NaN, 0, 1), 2)).toThrow(/E_NONFINITE/);
    expect(() => realEigenvalues(new Float64Array(5), 2)).toThrow(/E_SHAPE/);
  });
});

describe("leadingSvd", () => {
  it("finds what the whole decomposition begins with", () => {
    const [rows, cols] = [230, 120];
    const a = noise(rows * cols);
    const [all, some] = [thinSvd(a, rows, cols), leadingSvd(a, rows, cols, 6)];
    expect(farthest(some.s, all.s) / all.s[0]).toBeLessThan(1e-9);
    requireOrthonormal(some.u, rows, 6);
    requireOrthonormal(some.v, cols, 6);
    const image = product(a, some.v, rows, cols, 6);
    const scaled = some.u.map((x, i) => x * some.s[i % 6]);
    expect(farthest(image, scaled) / all.s[0]).toBeLessThan(1e-7);
    for (let c = 0; c < 6; c++) expect(some.u[c] * all.u[c]).toBeGreaterThanOrEqual(0);
  });
  it("goes on where a matrix has fewer directions than are asked for", () => {
    const [rows, cols] = [130, 110];
    const a = product(noise(rows * 3), noise(3 * cols, 2), rows, 3, cols);
    const { s, v } = leadingSvd(a, rows, cols, 5);
    requireOrthonormal(v, cols, 5);
    expect(s[2] / s[0]).toBeGreaterThan(1e-3);
    expect(s[3] / s[0]).toBeLessThan(1e-9);
  });
  it("cuts a small one, and refuses more than there are", () => {
    expect([...leadingSvd(Float64Array.of(3, 0, 0, -5), 2, 2, 1).s]).toEqual([5]);
    expect(() => leadingSvd(new Float64Array(4), 2, 2, 3)).toThrow(/E_RANGE.*1 to 2/);
  });
});

describe("symmetricEigenvalues", () => {
  it.each([1, 2, 3, 10, 60])("squares of singular values of %i columns", (n) => {
    const a = noise((n + 3) * n, n);
    const gram = product(flip(a, n + 3, n), a, n, n + 3, n);
    const { s } = thinSvd(a, n + 3, n);
    const found = symmetricEigenvalues(gram, n);
    expect(
      farthest(
        found,
        s.map((x) => x * x),
      ) / found[0],
    ).toBeLessThan(1e-12);
  });
  it("repeated, split, rank one and zero", () => {
    const diagonal = Float64Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? [3, -1, 3, 0, 3, -1][i / 7] : 0));
    expect([...symmetricEigenvalues(diagonal, 6)]).toEqual([3, 3, 3, 0, -1, -1]);
    const ones = symmetricEigenvalues(new Float64Array(64).fill(1), 8);
    expect(farthest(ones, [8, 0, 0, 0, 0, 0, 0, 0])).toBeLessThan(1e-13);
    expect([...symmetricEigenvalues(new Float64Array(9), 3)]).toEqual([0, 0, 0]);
    expect(farthest(symmetricEigenvalues([0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0], 4), [1, 1, -1, -1])).toBeLessThan(1e-14);
  });
  it("refuses what is not finite", () => {
    expect(() => symmetricEigenvalues([1, Number.NaN, Number.NaN, 1], 2)).toThrow(/E_NONFINITE/);
  });
});
