/** Heads of tensors [batch, pos, head, width] as matrices [rows, width]; a tensor without heads is one such matrix. */
import type { Tensor } from "../../tensor/index.ts";

/** Heads and numbers a head. Everything without four axes counts as one head. */
export function headsOf({ shape }: Tensor): { heads: number; width: number; rows: number } {
  const heads = shape.length === 4 ? (shape[2] as number) : 1;
  return { heads, width: shape[shape.length - 1] as number, rows: (shape[0] as number) * (shape[1] as number) };
}

/** The rows of one head: a copy where there are several. */
export function headRows(tensor: Tensor, head: number): Float32Array {
  const { heads, width, rows } = headsOf(tensor);
  const { data } = tensor;
  if (heads === 1) return data;
  const out = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) out.set(data.subarray((r * heads + head) * width, (r * heads + head + 1) * width), r * width);
  return out;
}

/** Rows [rows, width], each of them once for every head: [rows, heads, width]. */
export function repeatRows(rows: Float32Array, width: number, heads: number): Float32Array {
  const out = new Float32Array(rows.length * heads);
  for (let from = 0; from < rows.length; from += width) {
    const row = rows.subarray(from, from + width);
    for (let h = 0; h < heads; h++) out.set(row, from * heads + h * width);
  }
  return out;
}

/** Adds rows to those of one head. */
export function addHeadRows(tensor: Tensor, head: number, add: Float32Array, factor = 1): void {
  const { heads, width, rows } = headsOf(tensor);
  const { data } = tensor;
  for (let r = 0; r < rows; r++) {
    const at = (r * heads + head) * width;
    for (let i = 0; i < width; i++) data[at + i] = (data[at + i] as number) + factor * (add[r * width + i] as number);
  }
}

/** Whether two lists hold the same bits; NaN equals NaN. */
export function same(a: Float32Array, b: Float32Array): boolean {
  const [x, y] = [bitsOf(a), bitsOf(b)];
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return x.length === y.length;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

/** The transpose of a block [rows, cols] that lies in a matrix with `stride` columns. */
export function transposed(matrix: Float32Array, at: number, rows: number, cols: number, stride: number): Float32Array {
  const out = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = matrix[at + r * stride + c] as number;
  return out;
}

/** A copy of a block [rows, cols] that lies in a matrix with `stride` columns. */
export function blockOf(matrix: Float32Array, at: number, rows: number, cols: number, stride: number): Float32Array {
  const out = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) out.set(matrix.subarray(at + r * stride, at + r * stride + cols), r * cols);
  return out;
}
