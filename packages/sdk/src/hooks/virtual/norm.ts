/** Norms and the quantiser of activations over rows, as the core computes them (to rounding), and the way back. */
import type { Core } from "../../core/core.ts";
import type { Normalization } from "../../models/index.ts";

/** One norm: y = (x - mean) / max(sqrt(mean square + eps), floor) * w + b. */
export interface NormStep {
  /** Whether the mean is taken out (LayerNorm). */
  readonly center: boolean;
  /** Added under the root. */
  readonly eps: number;
  /** Least divisor (0), of the way forward only. */
  readonly floor?: number;
  /** Gain. */
  readonly w?: Float32Array;
  /** Bias. */
  readonly b?: Float32Array;
}

/** Whether a kind of norm takes the mean out. */
export function centers(kind: Normalization): boolean {
  return kind === "LN" || kind === "LNPre";
}

/** y of every row. */
export function normForward(x: Float32Array, cols: number, { center, eps, floor = 0, w, b }: NormStep): Float32Array {
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += cols) {
    const { mean, scale: free } = statistics(x, at, cols, center, eps);
    const scale = Math.max(free, floor);
    for (let i = 0; i < cols; i++) out[at + i] = (((x[at + i] as number) - mean) / scale) * (w?.[i] ?? 1) + (b?.[i] ?? 0);
  }
  return out;
}

/** Mean and divisor of every row. */
export interface NormRows {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
}

/** Mean and divisor of the rows of x. */
export function normRows(x: Float32Array, cols: number, { center, eps }: NormStep): NormRows {
  const rows = x.length / cols;
  const [mean, scale] = [new Float64Array(rows), new Float64Array(rows)];
  for (let r = 0; r < rows; r++) {
    const row = statistics(x, r * cols, cols, center, eps);
    mean[r] = row.mean;
    scale[r] = row.scale;
  }
  return { mean, scale };
}

/** The gradient at x from that at y. @param rows - Of x. */
export function normBackward(grad: Float32Array, x: Float32Array, cols: number, { center, w }: NormStep, rows: NormRows): Float32Array {
  const out = new Float32Array(x.length);
  for (let at = 0, r = 0; at < x.length; at += cols, r++) {
    const [mean, scale] = [rows.mean[r] as number, rows.scale[r] as number];
    let [sum, dot] = [0, 0];
    for (let i = 0; i < cols; i++) {
      const g = (grad[at + i] as number) * (w?.[i] ?? 1);
      sum += g;
      dot += g * ((x[at + i] as number) - mean);
    }
    const shift = center ? sum / cols : 0;
    const along = dot / (cols * scale * scale);
    for (let i = 0; i < cols; i++) out[at + i] = ((grad[at + i] as number) * (w?.[i] ?? 1) - shift - ((x[at + i] as number) - mean) * along) / scale;
  }
  return out;
}

function statistics(x: Float32Array, at: number, cols: number, center: boolean, eps: number): { mean: number; scale: number } {
  let [sum, squares] = [0, 0];
  if (center) for (let i = 0; i < cols; i++) sum += x[at + i] as number;
  const mean = sum / cols;
  for (let i = 0; i < cols; i++) squares += ((x[at + i] as number) - mean) ** 2;
  return { mean, scale: Math.sqrt(squares / cols + eps) };
}

/** What a matrix with int8 activations multiplies with: codes times their scale, a scale a row. */
export function fakeInt8(core: Core, x: Float32Array, cols: number): Float32Array {
  const rows = x.length / cols;
  const [codes, scales] = [new Int8Array(x.length), new Float32Array(rows)];
  core.quantizeActivations(x, rows, cols, codes, scales);
  return Float32Array.from(codes, (code, i) => code * (scales[Math.floor(i / cols)] as number));
}
