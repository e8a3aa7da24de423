/** Tensors as bytes: floats, and GGUF's blocks. */

import type { Core } from "../../core/core.ts";
import { TritlensError } from "../../core/errors.ts";
import { type DenseType, encodeFloats } from "../numbers.ts";
import type { RowReader, TargetTensor } from "./rows.ts";

/** Blocks that this library writes: elements and bytes. */
export const BLOCKS: Readonly<Record<string, readonly [elements: number, bytes: number]>> = {
  TQ1_0: [256, 54],
  TQ2_0: [256, 66],
  Q1_0: [128, 18],
  Q2_0: [64, 18],
  Q8_0: [32, 34],
  Q4_0: [32, 18],
};

/** f32 values that are worked on at once. */
const PART = 1 << 22;

/** Bytes of a tensor in a type. */
export function bytesIn(type: string, [rows = 1, cols = 1]: readonly number[]): number {
  const block = BLOCKS[type];
  return block ? ((rows * cols) / block[0]) * block[1] : rows * cols * (type === "F32" ? 4 : 2);
}

/**
 * A whole tensor in a type, some rows at a time.
 *
 * @throws E_FORMAT when a value would not come back as it is, unless `lossy`.
 */
export function encodeTensor(core: Core, reader: RowReader, t: TargetTensor, type: string, lossy: boolean): Uint8Array {
  const [rows, cols = 1] = t.shape as [number, number?];
  if (t.transposed) return encodeFloats(type as DenseType, transpose(reader.read(t, 0, rows), rows, cols));
  const out = new Uint8Array(bytesIn(type, t.shape));
  const step = Math.max(1, Math.floor(PART / cols));
  for (let first = 0; first < rows; first += step) {
    const values = reader.read(t, first, Math.min(step, rows - first));
    out.set(BLOCKS[type] ? blocks(core, t, type, values, lossy) : encodeFloats(type as DenseType, values), bytesIn(type, [first, cols]));
  }
  return out;
}

function blocks(core: Core, t: TargetTensor, type: string, values: Float32Array, lossy: boolean): Uint8Array {
  const cols = t.shape[1] as number;
  const out = new Uint8Array(bytesIn(type, [values.length / cols, cols]));
  core.quantizeBlocks(type.toLowerCase(), values, cols, out);
  if (lossy) return out;
  const back = new Float32Array(values.length);
  core.dequantizeBlocks(type.toLowerCase(), out, cols, back);
  for (let i = 0; i < back.length; i++) {
    // -0 and 0 are one value.
    if (back[i] !== values[i])
      throw new TritlensError("E_FORMAT", `tensor "${t.name}" would lose something as ${type} (the option lossy allows it)`, {
        expected: `${values[i]} in row ${Math.floor(i / cols)}`,
        found: String(back[i]),
      });
  }
  return out;
}

function transpose(x: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = x[r * cols + c] as number;
  return out;
}
