/** Products of small dense matrices in f64. */
import type { Floats } from "./floats.ts";

/** C = A B for A [m, k], B [k, n], row-major. */
export function multiply(a: Floats, b: Floats, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    const row = c.subarray(i * n, (i + 1) * n);
    for (let l = 0; l < k; l++) addRow(row, b, l * n, a[i * k + l]);
  }
  return c;
}

function addRow(row: Float64Array, b: Floats, from: number, factor: number): void {
  for (let j = 0; j < row.length; j++) row[j] += factor * b[from + j];
}

/** C = A B^T for A [m, k], B [n, k]: a linear layer whose weight is stored [out, in]. */
export function multiplyTransposed(a: Floats, b: Floats, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) c[i * n + j] = dotAt(a, i * k, b, j * k, k);
  return c;
}

function dotAt(a: Floats, from: number, b: Floats, start: number, length: number): number {
  let sum = 0;
  for (let l = 0; l < length; l++) sum += a[from + l] * b[start + l];
  return sum;
}

/** The transpose of A [rows, columns]. */
export function transpose(a: Floats, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j];
  return out;
}

/** An orthonormal basis of the span of the rows of A [rows, columns] (modified Gram-Schmidt, twice); dependent rows are dropped. */
export function orthonormalRows(a: Floats, rows: number, columns: number): Float64Array[] {
  const basis: Float64Array[] = [];
  for (let r = 0; r < rows; r++) {
    const row = Float64Array.from(a.subarray(r * columns, (r + 1) * columns));
    const before = Math.sqrt(dotAt(row, 0, row, 0, columns));
    for (let pass = 0; pass < 2; pass++) for (const unit of basis) removeDirection(row, unit);
    const norm = Math.sqrt(dotAt(row, 0, row, 0, columns));
    if (norm > 1e-10 * before) basis.push(row.map((value) => value / norm));
  }
  return basis;
}

function removeDirection(row: Float64Array, unit: Float64Array): void {
  const along = dotAt(row, 0, unit, 0, row.length);
  for (let j = 0; j < row.length; j++) row[j] -= along * unit[j];
}
