/**
 * Eigenvalues of small symmetric matrices, and singular values and principal components through them, by cyclic Jacobi rotations.
 *
 * Why not a library: the SDK must load on a bare HTML page without a bundler, so every dependency costs an import map there, and what is needed (113 x 113,
 * well conditioned) fits in one short file. Singular values come from the Gram matrix, so those below about 1e-8 of the largest are noise.
 */
import type { Floats } from "./floats.ts";

/** Eigenvalues in falling order; eigenvector i is row i, [n, n]. */
export interface Eigen {
  values: Float64Array;
  vectors: Float64Array;
}

const SWEEPS = 60;

/**
 * Eigen decomposition of a symmetric matrix (Golub and Van Loan, Matrix Computations, 8.5: cyclic Jacobi).
 *
 * @param symmetric - [n, n], row-major; not changed.
 */
export function symmetricEigen(symmetric: Floats, n: number): Eigen {
  const m = Float64Array.from(symmetric);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  const tolerance = 1e-30 * squares(m);
  for (let sweep = 0; sweep < SWEEPS && offDiagonal(m, n) > tolerance; sweep++) {
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) rotate(m, v, n, i, j);
  }
  return sortEigen(m, v, n);
}

/** One Jacobi rotation that zeroes m[i, j]; rows of v follow. */
function rotate(m: Float64Array, v: Float64Array, n: number, i: number, j: number): void {
  const off = m[i * n + j];
  if (off === 0) return;
  const theta = (m[j * n + j] - m[i * n + i]) / (2 * off);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  mixRows(m, n, i, j, c, s);
  mixColumns(m, n, i, j, c, s);
  mixRows(v, n, i, j, c, s);
}

/** Rows (i, j) <- (c i - s j, s i + c j). */
function mixRows(m: Float64Array, n: number, i: number, j: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const x = m[i * n + k];
    const y = m[j * n + k];
    m[i * n + k] = c * x - s * y;
    m[j * n + k] = s * x + c * y;
  }
}

/** The same on columns. */
function mixColumns(m: Float64Array, n: number, i: number, j: number, c: number, s: number): void {
  for (let k = 0; k < n * n; k += n) {
    const x = m[k + i];
    const y = m[k + j];
    m[k + i] = c * x - s * y;
    m[k + j] = s * x + c * y;
  }
}

function sortEigen(m: Float64Array, v: Float64Array, n: number): Eigen {
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => m[j * n + j] - m[i * n + i]);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => void vectors.set(v.subarray(from * n, (from + 1) * n), to * n));
  return { values: Float64Array.from(order, (i) => m[i * n + i]), vectors };
}

function offDiagonal(m: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) sum += 2 * m[i * n + j] ** 2;
  return sum;
}

function squares(m: Float64Array): number {
  let sum = 0;
  for (const value of m) sum += value * value;
  return sum;
}

/** X X^T for X [rows, columns]. */
export function gram(x: Floats, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = i; j < rows; j++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += x[i * columns + k] * x[j * columns + k];
      out[i * rows + j] = sum;
      out[j * rows + i] = sum;
    }
  }
  return out;
}

/** Singular values of X [rows, columns] in falling order, at most `rows` of them (choose rows <= columns). */
export function singularValues(x: Floats, rows: number, columns: number): Float64Array {
  return symmetricEigen(gram(x, rows, columns), rows).values.map((value) => Math.sqrt(Math.max(value, 0)));
}

/** Principal components: `scores` row i = unit-norm scores of component i over the rows of X, [rows, rows]; `share` = its part of the variance. */
export interface Principal {
  scores: Float64Array;
  share: Float64Array;
}

/** Principal component analysis of X [rows, columns] (columns centred). */
export function principalComponents(x: Floats, rows: number, columns: number): Principal {
  const { values, vectors } = symmetricEigen(gram(centreColumns(x, rows, columns), rows, columns), rows);
  const total = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  return { scores: vectors, share: values.map((value) => (total > 0 ? Math.max(value, 0) / total : 0)) };
}

/** X minus the mean of each column. */
export function centreColumns(x: Floats, rows: number, columns: number): Float64Array {
  const out = Float64Array.from(x.subarray(0, rows * columns));
  for (let j = 0; j < columns; j++) {
    let mean = 0;
    for (let i = 0; i < rows; i++) mean += x[i * columns + j] / rows;
    for (let i = 0; i < rows; i++) out[i * columns + j] -= mean;
  }
  return out;
}
