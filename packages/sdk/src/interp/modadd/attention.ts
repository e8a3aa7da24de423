/**
 * Attention of the read-out position (Nanda 2023, 4.2). With x the residual stream of "=", head j scores token v by
 * C_j[v] = x^T W_Q^j^T W_K^j W_E[v], a function on Z_p that is nearly one cosine; attention to a against b is the sigmoid of a score difference.
 */
import { cosAt, frequencies, powerByFrequency, rowNorms, sinAt, transform } from "../math/fourier.ts";
import { degree2Power, marginals, meanOverPairs, transformMarginals } from "../math/marginals.ts";
import { multiplyTransposed } from "../math/matrix.ts";
import { argmax, mean, ratio, standardDeviation } from "../math/statistics.ts";
import { weight } from "./check.ts";
import type { ModAddActivations } from "./input.ts";
import { centredSquares } from "./neurons.ts";
import type { HeadAnalysis } from "./types.ts";

/** Scores C_j[v] of every head on every number token, [head, token], with effective W_Q, W_K, divided by the model's score scale. */
export function headScores({ p, weights, residPre, dModel, heads, scoreScale }: ModAddActivations): Float64Array {
  const query = multiplyTransposed(residPre, weight(weights, "W_Q").effective, 1, dModel, dModel);
  const keys = multiplyTransposed(weight(weights, "W_E").effective, weight(weights, "W_K").effective, p, dModel, dModel);
  const dHead = dModel / heads;
  const out = new Float64Array(heads * p);
  for (let t = 0; t < p; t++) {
    for (let i = 0; i < dModel; i++) out[Math.floor(i / dHead) * p + t] += (query[i] * keys[t * dModel + i]) / scoreScale;
  }
  return out;
}

/** Share of each head's non-constant score power by frequency, [head][k-1]. */
export function scoreSpectra(scores: Float64Array, basis: Float64Array, p: number, heads: number): Float64Array[] {
  return Array.from({ length: heads }, (_, head) => {
    const power = powerByFrequency(rowNorms(transform(basis, scores.subarray(head * p, (head + 1) * p), p, 1), p, 1), p);
    const total = power.reduce((sum, value) => sum + value, 0);
    return power.map((value) => ratio(value, total));
  });
}

/** Attention to a as a share of attention to a and b: the sigmoid of the score difference, [pair]. */
export function sigmoidToA({ pattern, heads, seq, p }: ModAddActivations, head: number): Float64Array {
  return Float64Array.from({ length: p * p }, (_, pair) => {
    const from = (pair * heads + head) * seq;
    return ratio(pattern[from], pattern[from] + pattern[from + 1], 0.5);
  });
}

/** 0.5 + alpha (cos w_k a - cos w_k b) + beta (sin w_k a - sin w_k b): least squares (the two regressors are orthogonal, squared norm p^2). */
export function fitTrigForm(toA: Float64Array, k: number, p: number): { alpha: number; beta: number; fve: number } {
  let [alpha, beta] = [0, 0];
  for (let pair = 0; pair < p * p; pair++) {
    const [cosine, sine] = trigRegressors(pair, k, p);
    alpha += (toA[pair] * cosine) / (p * p);
    beta += (toA[pair] * sine) / (p * p);
  }
  const variance = standardDeviation(toA) ** 2;
  return { alpha, beta, fve: ratio(alpha * alpha + beta * beta, variance) };
}

/** [cos w_k a - cos w_k b, sin w_k a - sin w_k b] of a pair. */
export function trigRegressors(pair: number, k: number, p: number): [cosine: number, sine: number] {
  const a = Math.floor(pair / p);
  const b = pair % p;
  return [cosAt(k, a, p) - cosAt(k, b, p), sinAt(k, a, p) - sinAt(k, b, p)];
}

/** Analyses every head. A head whose attention is uniform (`pattern_std` about 0) has no meaningful fve. */
export function analyzeAttention(acts: ModAddActivations, basis: Float64Array): HeadAnalysis[] {
  const { p, heads } = acts;
  const spectra = scoreSpectra(headScores(acts), basis, p, heads);
  const means = attentionMean(acts);
  const periodicity = patternPeriodicity(acts, basis);
  return spectra.map((share, head) => {
    const frequency = argmax(share) + 1;
    const toA = sigmoidToA(acts, head);
    const fit = fitTrigForm(toA, frequency, p);
    return {
      head,
      mean: means[head],
      frequency,
      score_share: share[frequency - 1],
      ...fit,
      pattern_std: standardDeviation(toA),
      periodicity: periodicity[head],
    };
  });
}

/** Mean attention by head to a, b and "=". */
export function attentionMean({ pattern, heads, seq }: Pick<ModAddActivations, "pattern" | "heads" | "seq">): number[][] {
  const columns = heads * seq;
  const column = (j: number): number => mean(Float64Array.from({ length: pattern.length / columns }, (_, pair) => pattern[pair * columns + j]));
  return Array.from({ length: heads }, (_, head) => Array.from({ length: seq }, (_, key) => column(head * seq + key)));
}

/** By head: the largest share, over frequencies, of the non-constant 2-D Fourier power of the attention to a in that frequency's eight terms. */
function patternPeriodicity({ pattern, heads, seq, p }: ModAddActivations, basis: Float64Array): number[] {
  const columns = heads * seq;
  const sums = marginals(pattern, p, columns);
  const hat = transformMarginals(basis, sums, p, columns);
  const total = centredSquares(pattern, meanOverPairs(sums, p, columns), columns);
  const power = frequencies(p).map((k) => degree2Power(hat, k, p, columns));
  return Array.from({ length: heads }, (_, head) => Math.max(...power.map((row) => ratio(row[head * seq], total[head * seq]))));
}
