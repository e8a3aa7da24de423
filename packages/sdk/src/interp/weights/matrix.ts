/** What numerical code of this folder does to dense matrices that are small enough for it; large ones go through the core. */

/** Arrays that {@link flippedMatrix} takes. */
export type MatrixData = Float32Array | Float64Array | Int8Array;

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
  // Four rows at a time: they are read in order, and what is written together lies together.
  const whole = rows - (rows % 4);
  for (let r = 0; r < whole; r += 4) {
    const [r0, r1, r2, r3] = [r * cols, (r + 1) * cols, (r + 2) * cols, (r + 3) * cols];
    for (let i = 0, to = r; i < cols; i++, to += rows) {
      out[to] = a[r0 + i];
      out[to + 1] = a[r1 + i];
      out[to + 2] = a[r2 + i];
      out[to + 3] = a[r3 + i];
    }
  }
  for (let r = whole; r < rows; r++) for (let i = 0; i < cols; i++) out[i * rows + r] = a[r * cols + i];
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
