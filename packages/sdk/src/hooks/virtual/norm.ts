/** Norms and the quantiser of activations over rows, as the core computes them (to rounding), and the way back. */
import type { Core } from "../../core/core.ts";
import type { Normalization } from "../../models/index.ts";

/** One norm: y = (x - mean) / sqrt(mean square + eps) * w + b. */
export interface NormStep {
  /** Whether the mean is taken out (LayerNorm). */
  readonly center: boolean;
  /** Added under the root. */
  readonly eps: number;
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
export function normForward(x: Float32Array, cols: number, { center, eps, w, b }: NormStep): Float32Array {
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += cols) {
    const { mean, scale } = statistics(x, at, cols, center, eps);
    for (let i = 0; i < cols; i++) out[at + i] = (((x[at + i] as number) - mean) / scale) * (w?.[i] ?? 1) + (b?.[i] ?? 0);
  }
  return out;
}

/** The gradient at x from that at y. */
export function normBackward(grad: Float32Array, x: Float32Array, cols: number, { center, eps, w }: NormStep): Float32Array {
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += cols) {
    const { mean, scale } = statistics(x, at, cols, center, eps);
    let [sum, dot] = [0, 0];
    for (let i = 0; i < cols; i++) {
      const g = (grad[at + i] as number) * (w?.[i] ?? 1);
      sum += g;
      dot += (g * ((x[at + i] as number) - mean)) / scale;
    }
    const shift = center ? sum / cols : 0;
    for (let i = 0; i < cols; i++) {
      const y = ((x[at + i] as number) - mean) / scale;
      out[at + i] = ((grad[at + i] as number) * (w?.[i] ?? 1) - shift - (y * dot) / cols) / scale;
    }
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
