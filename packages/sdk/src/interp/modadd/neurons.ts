/**
 * Neuron clusters (Nanda 2023, 4.3; Li 2024's histogram). FVE_i(k) = sum over the eight non-constant entries of {const, cos_k, sin_k}^2 of the squared
 * 2-D Fourier transform of neuron i, over its centred sum of squares. Each frequency counts once (Li's code counts the last one twice, trap B2).
 */

import { frequencies } from "../math/fourier.ts";
import { degree2Power, meanOverPairs } from "../math/marginals.ts";
import { mean, ratio } from "../math/statistics.ts";
import type { Floats } from "./input.ts";
import type { PreparedNeurons } from "./prepare.ts";
import type { NeuronSummary } from "./types.ts";

/** A neuron is alive when its centred sum of squares is above this share of the largest neuron's. */
export const ALIVE = 1e-9;

/** FVE of every neuron by frequency, [k-1, neuron], and its centred sum of squares. */
export interface NeuronFve {
  fve: Float64Array[];
  total: Float64Array;
}

/** Computes all FVEs. */
export function neuronFve(neurons: Floats, { neuronSums, neuronHat }: PreparedNeurons, p: number, n: number): NeuronFve {
  const total = centredSquares(neurons, meanOverPairs(neuronSums, p, n), n);
  const fve = frequencies(p).map((k) => degree2Power(neuronHat, k, p, n).map((power, i) => ratio(power, total[i])));
  return { fve, total };
}

/** Sum over pairs of (X - mean)^2, [n]. */
export function centredSquares(x: Floats, means: Floats, n: number): Float64Array {
  const out = new Float64Array(n);
  for (let from = 0; from < x.length; from += n) {
    for (let j = 0; j < n; j++) out[j] += (x[from + j] - means[j]) ** 2;
  }
  return out;
}

/** Neurons by their best frequency; those with FVE of at least `threshold` form its cluster. */
export function summariseNeurons({ fve, total }: NeuronFve, threshold: number): NeuronSummary {
  const largest = total.reduce((top, value) => Math.max(top, value), 0);
  const alive = Array.from(total, (value) => value > ALIVE * largest);
  const best = Array.from(total, (_, i) => bestFrequency(fve, i));
  const frequency = best.map(({ k }, i) => (alive[i] ? k : 0));
  const clustered = best.filter(({ value }, i) => alive[i] && value >= threshold);
  return {
    total: total.length,
    alive: alive.filter(Boolean).length,
    fve_ge_085: clustered.length,
    clusters: countBy(clustered.map(({ k }) => k)),
    mean_best_fve: mean(best.filter((_, i) => alive[i]).map(({ value }) => value)),
    frequency,
    fve: best.map(({ value }, i) => (alive[i] ? value : 0)),
  };
}

function bestFrequency(fve: readonly Float64Array[], neuron: number): { k: number; value: number } {
  let k = 1;
  fve.forEach((row, index) => {
    if (row[neuron] > fve[k - 1][neuron]) k = index + 1;
  });
  return { k, value: fve[k - 1][neuron] };
}

function countBy(ks: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const k of [...ks].sort((x, y) => x - y)) counts[k] = (counts[k] ?? 0) + 1;
  return counts;
}
