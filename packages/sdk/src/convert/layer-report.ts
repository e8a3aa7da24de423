/** What quantising did to one matrix. */
import type { QuantizedMatrix, QuantizeMethod } from "./quantize.ts";

/** One matrix in a report. */
export interface LayerReport {
  /** Parameter. */
  readonly name: string;
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** How codes were found; `trained` where the model was trained with its quantiser, and nothing is lost. */
  readonly method: QuantizeMethod | "trained";
  /** |Wq - W| / |W|. */
  readonly relativeError: number;
  /** Cosine between all weights before and after. */
  readonly cosine: number;
  /** Share of zero codes. */
  readonly zeros: number;
  /** Least and largest scale. */
  readonly scales: readonly [least: number, largest: number];
  /** Least and largest shift; absent without shifts. */
  readonly shifts?: readonly [least: number, largest: number];
  /** Packed codes, scales and shifts, in bits a weight. */
  readonly bitsPerWeight: number;
}

/** Compares a matrix with what became of it; `bytes` are those of its codes. */
export function layerReport(
  about: { readonly name: string; readonly rows: number; readonly cols: number; readonly method: LayerReport["method"]; readonly bytes: number },
  w: Float32Array,
  { codes, scales, shifts, group }: QuantizedMatrix,
): LayerReport {
  let [ab, aa, bb, zeros] = [0, 0, 0, 0];
  const length = scales.length === 1 ? w.length : group;
  for (let from = 0, s = 0; from < w.length; from += length, s++) {
    const [scale, shift] = [scales[s] as number, shifts[s] ?? 0];
    for (let i = from; i < from + length; i++) {
      const [x, code] = [w[i] as number, codes[i] as number];
      const y = scale * code + shift;
      ab += x * y;
      aa += x * x;
      bb += y * y;
      zeros += 1 - (code & 1);
    }
  }
  const { bytes, ...rest } = about;
  return {
    ...rest,
    // |a - b|^2 from the three sums; rounding must not make it negative.
    relativeError: aa > 0 ? Math.sqrt(Math.max(0, aa - 2 * ab + bb) / aa) : bb > 0 ? Number.POSITIVE_INFINITY : 0,
    cosine: aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : aa === bb ? 1 : 0,
    zeros: zeros / w.length,
    scales: range(scales),
    ...(shifts.length > 0 ? { shifts: range(shifts) } : {}),
    bitsPerWeight: (8 * (bytes + scales.byteLength + shifts.byteLength)) / w.length,
  };
}

function range(values: Float32Array): [number, number] {
  let [least, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const x of values) {
    least = Math.min(least, x);
    largest = Math.max(largest, x);
  }
  return [least, largest];
}
