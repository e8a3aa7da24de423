/** What numerical code of this folder does to dense matrices that are small enough for it; large ones go through the core. */

/** Arrays that {@link flippedMatrix} takes. */
export type MatrixData = Float32Array | Float64Array | Int8Array;

/** Rows and columns that are turned at a time: what stays in the cache. */
const TILE = 32;

/**
 * The transpose of a row-major matrix.
 *
 * Works on bare arrays, for code that multiplies them through the core; a Tensor with named axes is turned by `transpose`.
 *
 * @param a - [rows, cols].
 * @param out - Where [cols, rows] goes; a new array of the same kind when left out. Never `a` itself.
 */
export function flippedMatrix<D extends MatrixData>(
  a: D,
  rows: number,
  cols: number,
  out: D = new (a.constructor as new (n: number) => D)(rows * cols),
): D {
  for (let r0 = 0; r0 < rows; r0 += TILE)
    for (let c0 = 0; c0 < cols; c0 += TILE) {
      const [r1, c1] = [Math.min(rows, r0 + TILE), Math.min(cols, c0 + TILE)];
      for (let c = c0; c < c1; c++) for (let r = r0; r < r1; r++) out[c * rows + r] = a[r * cols + c];
    }
  return out;
}

/**
 * The product A B in f64, row-major [m, n]. For small matrices (a head's, say) whose digits matter: `core.matmul` is faster, in f32.
 *
 * @param a - A, [m, k].
 * @param b - B, [k, n].
 */
export function matrixProduct(a: ArrayLike<number>, b: ArrayLike<number>, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  // One kind of array makes the inner loop several times as fast.
  const [left, right] = [inDoubles(a), inDoubles(b)];
  for (let i = 0; i < m; i++)
    for (let l = 0; l < k; l++) {
      const x = left[i * k + l];
      for (let j = 0, at = i * n, from = l * n; j < n; j++) out[at + j] += x * right[from + j];
    }
  return out;
}

function inDoubles(x: ArrayLike<number>): Float64Array {
  return x instanceof Float64Array ? x : Float64Array.from(x);
}

/** Sum of products of two arrays, in f64 and index order, so that it is the same on every backend. @param y - At least as long as `x`. */
export function dotProduct(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
