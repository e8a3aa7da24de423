/**
 * Restricted and excluded loss (Nanda 2023, section 5.1). P_K projects the logits, as functions of (a, b) with each class by itself, on
 * u_k = (sqrt 2 / p) cos(w_k(a+b)) and v_k = (sqrt 2 / p) sin(w_k(a+b)), k in K. P_K L depends on (a, b) through s = a+b only, so it is a [s, cls] table.
 */
import { answer, crossEntropyAt, splitMean } from "../math/cross-entropy.ts";
import { frequencies } from "../math/fourier.ts";
import { filterLine, meanOverPairs } from "../math/marginals.ts";
import type { Floats } from "./input.ts";
import type { PreparedLogits } from "./prepare.ts";
import type { SplitLoss } from "./types.ts";

/** P_K L as a table [s, cls]. */
export function projectOnSums({ basis, logitHat, p }: PreparedLogits, ks: readonly number[]): Float64Array {
  return filterLine(basis, logitHat.sum, ks, p, p);
}

/** CE(P_K L + mean over pairs of L): only the key directions and the constant are kept. */
export function restrictedLoss(prepared: PreparedLogits, ks: readonly number[]): SplitLoss {
  const { p, mask, logitSums } = prepared;
  const kept = projectOnSums(prepared, ks);
  const constant = meanOverPairs(logitSums, p, p);
  for (let i = 0; i < kept.length; i++) kept[i] += constant[i % p];
  const bySum = Float64Array.from({ length: p }, (_, s) => crossEntropyAt(kept, s * p, p, s));
  return splitMean(p, mask, (pair) => bySum[answer(pair, p)]);
}

/** CE(L - P_K L): the key directions are removed, nothing is added back. The paper quotes the training pairs. */
export function excludedLoss(prepared: PreparedLogits, ks: readonly number[]): SplitLoss {
  const { p, mask, logits } = prepared;
  const removed = projectOnSums(prepared, ks);
  const row = new Float64Array(p);
  return splitMean(p, mask, (pair) => lossWithout(logits, removed, row, pair, p));
}

/** By frequency (entry k-1): loss on the training pairs with that frequency alone removed. */
export function excludedByFrequency(prepared: PreparedLogits): number[] {
  const { p, mask, logits } = prepared;
  const pairs = Array.from({ length: p * p }, (_, pair) => pair).filter((pair) => mask[pair] === 1);
  const row = new Float64Array(p);
  return frequencies(p).map((k) => {
    const removed = projectOnSums(prepared, [k]);
    return pairs.reduce((sum, pair) => sum + lossWithout(logits, removed, row, pair, p), 0) / pairs.length;
  });
}

function lossWithout(logits: Floats, removed: Float64Array, row: Float64Array, pair: number, p: number): number {
  const s = answer(pair, p);
  for (let c = 0; c < p; c++) row[c] = logits[pair * p + c] - removed[s * p + c];
  return crossEntropyAt(row, 0, p, s);
}

/**
 * The "3-D" variant: removes only the components along cos(w_k(a+b-c)) on all three axes.
 *
 * @param fitted - The components as a function of c - (a+b), from `fittedOffsets`.
 */
export function excludedLoss3d({ p, mask, logits }: PreparedLogits, fitted: Floats): SplitLoss {
  const row = new Float64Array(p);
  return splitMean(p, mask, (pair) => {
    const s = answer(pair, p);
    for (let t = 0; t < p; t++) row[(s + t) % p] = logits[pair * p + ((s + t) % p)] - fitted[t];
    return crossEntropyAt(row, 0, p, s);
  });
}
