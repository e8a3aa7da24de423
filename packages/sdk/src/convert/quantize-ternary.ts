/** Ternary codes for one segment of weights. Sums are f64, so results do not depend on how long a segment is. */
import type { SegmentQuantizer } from "./quantize.ts";
import { sortedMagnitudes } from "./sort.ts";

/** Rounds after which alternation is stopped; it settles after about ten. */
const MAX_ROUNDS = 50;

/** Sum of |w - centre| over a segment. */
export function sumMagnitude(w: Float32Array, from: number, n: number, centre = 0): number {
  let sum = 0;
  for (let i = from; i < from + n; i++) sum += Math.abs((w[i] as number) - centre);
  return sum;
}

/**
 * BitNet b1.58's quantiser (arXiv 2402.17764; its FAQ for the details): scale = max(mean |w|, 1e-5), code = round(w / scale) cut to -1 .. 1, a half rounds to 0.
 */
export const absmean: SegmentQuantizer = (w, from, n, codes) => {
  const scale = Math.max(sumMagnitude(w, from, n) / n, 1e-5);
  cut(w, from, n, codes, scale / 2);
  return [scale, 0];
};

/** Ternary Weight Networks (arXiv 1605.04711, eq. 6): threshold 0.7 mean |w|, scale = mean |w| above it. */
export const twn: SegmentQuantizer = (w, from, n, codes) => {
  const threshold = (0.7 * sumMagnitude(w, from, n)) / n;
  return [cut(w, from, n, codes, threshold), 0];
};

/**
 * The exact optimum of |w - scale * code|^2 (arXiv 1605.04711, eq. 5): with the k largest magnitudes kept, the best scale is their mean and the error is
 * |w|^2 - S_k^2 / k with S_k their sum, so the best k is where S_k^2 / k is largest.
 */
export const twnExact: SegmentQuantizer = (w, from, n, codes) => {
  const sorted = sortedMagnitudes(w, from, n);
  let [sum, best, threshold] = [0, -1, 0];
  for (let k = 1; k <= n; k++) {
    sum += sorted[n - k] as number;
    const gain = (sum * sum) / k;
    if (gain <= best) continue;
    best = gain;
    threshold = k < n ? (sorted[n - k - 1] as number) : 0;
  }
  return [cut(w, from, n, codes, threshold), 0];
};

/** Codes by a threshold about 0; returns the mean magnitude above it (0 when nothing is). */
function cut(w: Float32Array, from: number, n: number, codes: Int8Array, threshold: number): number {
  const low = -threshold;
  let sum = 0;
  let count = 0;
  for (let i = from; i < from + n; i++) {
    const x = w[i] as number;
    // Arithmetic instead of branches, which cannot be predicted here and would cost four times as much.
    const code = +(x > threshold) - +(x < low);
    codes[i] = code;
    sum += code * x;
    count += code & 1;
  }
  return count > 0 ? sum / count : 0;
}

/** Long segments begin from the solution for this many of their weights. */
const SAMPLE = 1 << 14;

/**
 * Codes and scale (and shift) in turns until the codes stay, or scale and shift move by less than a millionth: code = round((w - shift) / scale) cut to -1 .. 1; then scale and shift by least
 * squares, `scale = cov(code, w) / var(code)`, `shift = mean w - scale mean code` (without shift `scale = code . w / code . code`). Starts from {@link twn}, about the mean of w when there is a shift. The error
 * never grows, so it ends; it ends in a local optimum ({@link twnExact} is the global one without shift).
 */
export function leastSquares(withShift: boolean): SegmentQuantizer {
  return (w, from, n, codes) => {
    let start = twnStart(w, from, n, withShift);
    if (n >= 4 * SAMPLE) {
      const sample = Float32Array.from({ length: SAMPLE }, (_, i) => w[from + Math.floor((i * n) / SAMPLE)] as number);
      const [scale, shift] = alternate(sample, 0, SAMPLE, new Int8Array(SAMPLE), withShift, twnStart(sample, 0, SAMPLE, withShift));
      if (scale > 0) start = { threshold: scale / 2, shift };
    }
    return alternate(w, from, n, codes, withShift, start);
  };
}

interface Start {
  readonly threshold: number;
  readonly shift: number;
}

function twnStart(w: Float32Array, from: number, n: number, withShift: boolean): Start {
  const shift = withShift ? mean(w, from, n) : 0;
  return { shift, threshold: (0.7 * sumMagnitude(w, from, n, shift)) / n };
}

function alternate(w: Float32Array, from: number, n: number, codes: Int8Array, withShift: boolean, start: Start): [scale: number, shift: number] {
  let { threshold, shift } = start;
  let scale = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const sums = assign(w, from, n, codes, shift, threshold);
    if (sums.changed === 0 && round > 0) break;
    if (sums.square === 0) return [0, shift];
    const [lastScale, lastShift] = [scale, shift];
    [scale, shift] = fit(sums, n, withShift, shift);
    if (Math.abs(scale - lastScale) + Math.abs(shift - lastShift) <= 1e-6 * scale) break;
    threshold = scale / 2;
  }
  return [scale, shift];
}

interface Sums {
  /** Codes that are not what they were. */
  changed: number;
  /** Sum of codes, of their squares, of code * w, of w. */
  code: number;
  square: number;
  product: number;
  weight: number;
}

function assign(w: Float32Array, from: number, n: number, codes: Int8Array, shift: number, threshold: number): Sums {
  const [high, low] = [shift + threshold, shift - threshold];
  let [changed, code, square, product, weight] = [0, 0, 0, 0, 0];
  for (let i = from; i < from + n; i++) {
    const x = w[i] as number;
    const t = +(x > high) - +(x < low);
    changed |= t ^ (codes[i] as number);
    codes[i] = t;
    code += t;
    square += t & 1;
    product += t * x;
    weight += x;
  }
  return { changed, code, square, product, weight };
}

function fit({ code, square, product, weight }: Sums, n: number, withShift: boolean, shift: number): [scale: number, shift: number] {
  if (!withShift) return [product / square, 0];
  const variance = square - (code * code) / n;
  // All codes alike: a scale and a shift would be the same number twice.
  if (variance <= 0) return [Math.abs(weight / n - shift), shift];
  const scale = (product - (code * weight) / n) / variance;
  return [scale, (weight - scale * code) / n];
}

function mean(w: Float32Array, from: number, n: number): number {
  let sum = 0;
  for (let i = from; i < from + n; i++) sum += w[i] as number;
  return sum / n;
}
