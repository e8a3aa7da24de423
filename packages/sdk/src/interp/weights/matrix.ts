/** What numerical code of this folder does to dense matrices that are small enough for it; large ones go through the core. */

/** Arrays that {@link flippedMatrix} takes. */
export type MatrixData = Float32Array | Float64Array | Int8Array;

/** The transpose of a row-major matrix [rows, cols], in an array of the same kind. */
export function flippedMatrix<D extends MatrixData>(a: D, rows: number, cols: number): D {
  const out = new (a.constructor as new (n: number) => D)(rows * cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = a[i * cols + j];
  return out;
}

/** A B in f64, for A [m, k] and B [k, n]. */
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

/** Sum of products of two arrays of one length, in f64 and index order. */
export function dotProduct(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
