/** Logits as a sum of cosines: L[a, b, c] ~ sum_k alpha_k cos(w_k(a+b-c)) (Nanda 2023, 4.1). */

import { crossEntropyAt } from "../math/cross-entropy.ts";
import { cosAt, frequencies } from "../math/fourier.ts";
import { mean, ratio } from "../math/statistics.ts";
import type { Floats } from "./input.ts";
import type { LogitFit } from "./types.ts";

/** Least squares on all cosines at once: they are orthogonal with squared norm p^3 / 2, so each coefficient stands alone. */
export interface CosineFit {
  /** alpha_k = (2/p^3) sum L cos(w_k(a+b-c)), entry k-1. */
  alpha: Float64Array;
  /** (p^3/2) alpha_k^2 as a share of the centred logits' sum of squares, entry k-1. */
  share: Float64Array;
  /** Sum of squares of the logits after removing each input's mean over classes. */
  centredTotal: number;
  /** About the one global mean. */
  globalTotal: number;
  /** About zero. */
  total: number;
}

/**
 * Fits all frequencies.
 *
 * @param logits - [pair, cls].
 * @param bySum - Sums of the logits over pairs of equal a+b, [s, cls].
 */
export function fitCosines(logits: Floats, bySum: Floats, p: number): CosineFit {
  const offsets = sumByOffset(bySum, p);
  const alpha = Float64Array.from(frequencies(p), (k) => (2 / p ** 3) * offsets.reduce((sum, value, t) => sum + value * cosAt(k, t, p), 0));
  const totals = sumsOfSquares(logits, p);
  return { alpha, share: alpha.map((value) => ratio((p ** 3 / 2) * value * value, totals.centredTotal)), ...totals };
}

/** Sum over pairs of L[a, b, a + b + offset], [offset]: all that a projection on functions of a+b-c needs. */
export function sumByOffset(bySum: Floats, p: number): Float64Array {
  const out = new Float64Array(p);
  for (let s = 0; s < p; s++) for (let t = 0; t < p; t++) out[t] += bySum[s * p + ((s + t) % p)];
  return out;
}

function sumsOfSquares(logits: Floats, p: number): Pick<CosineFit, "centredTotal" | "globalTotal" | "total"> {
  const globalMean = mean(logits);
  let [centredTotal, globalTotal, total] = [0, 0, 0];
  for (let from = 0; from < logits.length; from += p) {
    const rowMean = mean(logits.subarray(from, from + p));
    for (let c = 0; c < p; c++) {
      const value = logits[from + c];
      centredTotal += (value - rowMean) ** 2;
      globalTotal += (value - globalMean) ** 2;
      total += value * value;
    }
  }
  return { centredTotal, globalTotal, total };
}

/** The fitted logit as a function of c - (a+b): sum over `ks` of alpha_k cos(w_k t), [t]. */
export function fittedOffsets(alpha: Floats, ks: readonly number[], p: number): Float64Array {
  return Float64Array.from({ length: p }, (_, t) => ks.reduce((sum, k) => sum + alpha[k - 1] * cosAt(k, t, p), 0));
}

/** Quality of the approximation by the key frequencies. Its loss is the same for every pair, because it depends on c - (a+b) only. */
export function logitFit(fit: CosineFit, ks: readonly number[], p: number): LogitFit {
  const explained = ks.reduce((sum, k) => sum + (p ** 3 / 2) * fit.alpha[k - 1] ** 2, 0);
  const loss = crossEntropyAt(fittedOffsets(fit.alpha, ks, p), 0, p, 0);
  return {
    r2_centred: ratio(explained, fit.centredTotal),
    r2_global: ratio(explained, fit.globalTotal),
    loss: { all: loss, train: loss, test: loss },
  };
}

/** <L, t_k> with t_k = cos(w_k(a+b-c)) of unit norm (Nanda 2023, progress measures). */
export const cosCoefficient = (fit: CosineFit, k: number, p: number): number => fit.alpha[k - 1] * Math.sqrt(p ** 3 / 2);

/** <L, t_k> / ||L||. */
export const cosSimilarity = (fit: CosineFit, k: number, p: number): number => ratio(cosCoefficient(fit, k, p), Math.sqrt(fit.total));
