import { expect, test } from "vitest";
import { crossEntropyAt, splitMean, trainMask } from "./cross-entropy.ts";
import { principalComponents, singularValues, symmetricEigen } from "./eigen.ts";
import { multiply, multiplyTransposed, orthonormalRows, transpose } from "./matrix.ts";
import { Correlation, gini } from "./statistics.ts";

test("eigenvalues of a known matrix, eigenvectors that reproduce it", () => {
  const a = Float64Array.of(4, 1, 0, 1, 3, 1, 0, 1, 2);
  const { values, vectors } = symmetricEigen(a, 3);
  expect(values[0]).toBeCloseTo(3 + Math.sqrt(3), 12);
  expect(values[1]).toBeCloseTo(3, 12);
  expect(values[2]).toBeCloseTo(3 - Math.sqrt(3), 12);
  const scaled = vectors.map((value, i) => value * values[Math.floor(i / 3)]);
  const back = multiply(transpose(vectors, 3, 3), scaled, 3, 3, 3);
  back.forEach((value, i) => void expect(value).toBeCloseTo(a[i], 12));
});

test("singular values of a diagonal rectangle", () => {
  const x = new Float64Array(3 * 5);
  x[0] = 2;
  x[6] = -7;
  x[12] = 0.5;
  const found = singularValues(x, 3, 5);
  [7, 2, 0.5].forEach((value, i) => void expect(found[i]).toBeCloseTo(value, 10));
});

test("principal components of points on a line hold all variance in one", () => {
  const x = Float64Array.of(1, 2, 2, 4, 3, 6, 4, 8);
  const { share, scores } = principalComponents(x, 4, 2);
  expect(share[0]).toBeCloseTo(1, 12);
  expect(Math.abs(scores[3] - scores[0])).toBeCloseTo(3 / Math.sqrt(5), 10);
});

test("orthonormal rows drop dependent ones", () => {
  const rows = orthonormalRows(Float64Array.of(1, 1, 0, 2, 2, 0, 0, 1, 0), 3, 3);
  expect(rows).toHaveLength(2);
  const gram = multiplyTransposed(Float64Array.from(rows.flatMap((row) => [...row])), Float64Array.from(rows.flatMap((row) => [...row])), 2, 3, 2);
  [1, 0, 0, 1].forEach((value, i) => void expect(gram[i]).toBeCloseTo(value, 12));
});

test("Gini: equal numbers 0, one of n holding everything 1 - 1/n", () => {
  expect(gini(Float64Array.of(3, 3, 3, 3))).toBeCloseTo(0, 12);
  expect(gini(Float64Array.of(0, 0, 0, 5))).toBeCloseTo(0.75, 12);
  expect(gini(new Float64Array(4))).toBe(0);
});

test("squared correlation is 1 on a falling line and 0 for a constant", () => {
  const line = new Correlation();
  const flat = new Correlation();
  for (let i = 0; i < 10; i++) {
    line.add(i, 5 - 2 * i);
    flat.add(i, 3);
  }
  expect(line.squared()).toBeCloseTo(1, 12);
  expect(flat.squared()).toBe(0);
});

test("cross-entropy keeps losses far below float32's step", () => {
  expect(crossEntropyAt(Float32Array.of(30, 0, 0), 0, 3, 0)).toBeCloseTo(2 * Math.exp(-30), 16);
  expect(crossEntropyAt(Float32Array.of(1000, 0), 0, 2, 1)).toBe(1000);
});

test("means are split by the training pairs", () => {
  expect(splitMean(3, trainMask(3, [0, 4]), (pair) => pair)).toEqual({ all: 4, train: 2, test: 32 / 7 });
});
