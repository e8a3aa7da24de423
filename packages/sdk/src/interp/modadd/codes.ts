/**
 * Low-bit weights: codes, zeros and magnitude, read from the matrices the forward pass multiplies with. (Li 2024's notebooks draw the outer weight of a wrapped
 * layer, which is never trained, so their "no visible pattern" says nothing: trap B1. The inner, effective one is used here and everywhere else in interp.)
 */
import { cosine, sumOfSquares } from "../math/statistics.ts";
import type { Floats, ModAddWeights } from "./input.ts";
import type { CodeStatistics } from "./types.ts";

/** Statistics of every quantised matrix; empty in full precision. */
export function codeStatistics(weights: ModAddWeights): Record<string, CodeStatistics> {
  const quantised = Object.entries(weights).filter(([, { quant }]) => quant !== "none");
  return Object.fromEntries(
    quantised.map(([name, { quant, latent, effective }]) => [name, { quant, ...countCodes(effective), cosine: cosine(latent, effective) }]),
  );
}

function countCodes(effective: Floats): Omit<CodeStatistics, "quant" | "cosine"> {
  let [minus, plus, scale] = [0, 0, 0];
  for (const value of effective) {
    if (value < 0) minus++;
    if (value > 0) plus++;
    scale = Math.max(scale, Math.abs(value));
  }
  const n = effective.length;
  const shares = { minus: minus / n, zero: (n - minus - plus) / n, plus: plus / n };
  return { scale, ...shares, entropy: entropy(Object.values(shares)) };
}

/** Entropy in bits. */
function entropy(shares: readonly number[]): number {
  return shares.reduce((sum, share) => sum - (share > 0 ? share * Math.log2(share) : 0), 0);
}

/** Share of zero codes by quantised matrix. */
export function zeroShares(weights: ModAddWeights): Record<string, number> {
  return Object.fromEntries(Object.entries(codeStatistics(weights)).map(([name, { zero }]) => [name, zero]));
}

/** Sum of squared latent weights by tensor, and their total (Nanda 2023, section 5.1). */
export function squaredWeights(weights: ModAddWeights): { sum_squared_weights: Record<string, number>; sum_squared_total: number } {
  const entries = Object.entries(weights).map(([name, { latent }]) => [name, sumOfSquares(latent)] as const);
  return { sum_squared_weights: Object.fromEntries(entries), sum_squared_total: entries.reduce((sum, [, value]) => sum + value, 0) };
}

/**
 * Share of codes that differ between two checkpoints of one model, by quantised matrix. (The rate a step is among the trainer's own columns.)
 *
 * @param before - Weights of the earlier checkpoint.
 * @param after - Weights of the later one.
 */
export function codeFlips(before: ModAddWeights, after: ModAddWeights): Record<string, number> {
  const names = Object.keys(after).filter((name) => after[name].quant !== "none" && before[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, shareOfFlips(before[name].effective, after[name].effective)]));
}

function shareOfFlips(x: Floats, y: Floats): number {
  let flips = 0;
  for (let i = 0; i < x.length; i++) if (Math.sign(x[i]) !== Math.sign(y[i])) flips++;
  return flips / x.length;
}
