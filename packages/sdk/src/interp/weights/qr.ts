/** QR decomposition of small dense matrices in f64: what makes singular values of products of thin matrices cheap. */
import { requireLength } from "tritlens";
import { dotProduct } from "tritlens/interp";

/** A = Q R. */
export interface Qr {
  /** Orthonormal columns, row-major [rows, k]; worked out when first read. */
  readonly q: Float64Array;
  /** Upper triangular, row-major [k, cols]. */
  readonly r: Float64Array;
  /** The lesser of rows and columns. */
  readonly k: number;
}

/**
 * Thin QR by Householder reflections (Golub and Van Loan, Matrix Computations, 5.2). Columns that depend on others leave zeros on R's diagonal; Q's columns are orthonormal
 * all the same.
 *
 * @param a - Row-major [rows, cols]; not changed.
 * @throws E_SHAPE when the length does not fit.
 */
export function thinQr(a: ArrayLike<number>, rows: number, cols: number): Qr {
  requireLength(`a matrix of ${rows} x ${cols}`, rows * cols, a.length);
  const k = Math.min(rows, cols);
  const columns = Array.from({ length: cols }, (_, j) => Float64Array.from({ length: rows }, (_, i) => a[i * cols + j]));
  const mirrors = Array.from({ length: k }, (_, j) => reflect(columns, j));
  const r = new Float64Array(k * cols);
  for (let j = 0; j < cols; j++) for (let i = 0; i <= Math.min(j, k - 1); i++) r[i * cols + j] = columns[j][i];
  let q: Float64Array | undefined;
  return {
    get q() {
      q ??= columnsOf(mirrors, rows);
      return q;
    },
    r,
    k,
  };
}

/** The product of the mirrors, without the columns that R has no rows for. */
function columnsOf(mirrors: readonly Float64Array[], rows: number): Float64Array {
  const k = mirrors.length;
  const q = new Float64Array(rows * k);
  for (let j = 0; j < k; j++) {
    const column = new Float64Array(rows);
    column[j] = 1;
    // Mirrors behind j do not touch the unit vector.
    for (let i = j; i >= 0; i--) mirror(column, mirrors[i], i);
    for (let i = 0; i < rows; i++) q[i * k + j] = column[i];
  }
  return q;
}

/** Turns column j into a multiple of the unit vector j below row j, and mirrors the columns behind it; returns the unit normal of the mirror. */
function reflect(columns: readonly Float64Array[], j: number): Float64Array {
  const column = columns[j];
  const normal = column.slice(j);
  const length = Math.sqrt(dotProduct(normal, normal));
  if (length === 0) return normal;
  const target = normal[0] > 0 ? -length : length;
  normal[0] -= target;
  const scale = 1 / Math.sqrt(dotProduct(normal, normal));
  for (let i = 0; i < normal.length; i++) normal[i] *= scale;
  column.fill(0, j);
  column[j] = target;
  for (let c = j + 1; c < columns.length; c++) mirror(columns[c], normal, j);
  return normal;
}

/** x - 2 n (n . x) on the entries from `at` on. */
function mirror(x: Float64Array, normal: Float64Array, at: number): void {
  let along = 0;
  for (let i = 0; i < normal.length; i++) along += normal[i] * x[at + i];
  along *= 2;
  for (let i = 0; i < normal.length; i++) x[at + i] -= along * normal[i];
}
