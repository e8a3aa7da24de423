/** The neuron-to-logit map W_L = W_U W_out ~ sum_k cos(w_k c) u_k^T + sin(w_k c) v_k^T (Nanda 2023, 4.3), with the effective W_out. */

import { singularValues } from "../math/eigen.ts";
import { rowNorms, transform } from "../math/fourier.ts";
import { marginals, transformMarginals } from "../math/marginals.ts";
import { gini, mean, participation, ratio, sumOfSquares } from "../math/statistics.ts";
import { neuronToLogit, type Prepared } from "./prepare.ts";
import type { UnembedAnalysis } from "./types.ts";

/** Singular values below this share of the largest do not count for the rank. */
const RANK_SHARE = 0.01;

/** Analyses W_L at the key frequencies. */
export function analyzeUnembed(prepared: Prepared, ks: readonly number[]): UnembedAnalysis {
  const { p, acts, wl, wlHat } = prepared;
  const norms = rowNorms(wlHat, p, acts.dMlp);
  const values = singularValues(wl, p, acts.dMlp);
  const rest = sumOfSquares(norms) - keyRows(ks).reduce((sum, row) => sum + norms[row] ** 2, 0);
  const cosines = record(ks, (k) => directionFve(prepared, 2 * k - 1));
  const sines = record(ks, (k) => directionFve(prepared, 2 * k));
  return {
    spectrum: Array.from(norms.subarray(1)),
    rank: values.filter((value) => value > RANK_SHARE * values[0]).length,
    effective_rank: participation(values.map((value) => value * value)),
    residual: Math.sqrt(ratio(Math.max(rest, 0), sumOfSquares(norms))),
    u_fve: record(ks, (k) => cosines[k].all),
    v_fve: record(ks, (k) => sines[k].all),
    u_interaction_fve: record(ks, (k) => cosines[k].interaction),
    v_interaction_fve: record(ks, (k) => sines[k].interaction),
    gini_with_gain: giniWithGain(prepared),
  };
}

/** Rows of the basis of some frequencies. */
export const keyRows = (ks: readonly number[]): number[] => ks.flatMap((k) => [2 * k - 1, 2 * k]);

/** An object by frequency. */
export function record<T>(ks: readonly number[], value: (k: number) => T): Record<string, T> {
  return Object.fromEntries(ks.map((k) => [String(k), value(k)]));
}

/**
 * Variance over pairs of u . N, u = row `row` of F W_L, explained by that row's function of a+b: of all of it, and of the interaction, the part that is no function of
 * a plus a function of b. The latter tells what the MLP multiplies. The former also counts linear terms cos, sin(w_k a), which in Li's architecture are large:
 * the MLP writes them to cancel those of the residual stream around it, so that they appear in u . N but not in the logits.
 */
function directionFve({ acts, p, basis, wlHat }: Prepared, row: number): { all: number; interaction: number } {
  const along = projectNeurons(acts.neurons, wlHat.subarray(row * acts.dMlp, (row + 1) * acts.dMlp));
  const centre = mean(along);
  const total = along.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const hat = transformMarginals(basis, marginals(along, p, 1), p, 1);
  const linear = (sumOfSquares(hat.a.subarray(1)) + sumOfSquares(hat.b.subarray(1))) / p;
  const explained = hat.sum[row] ** 2 / p;
  return { all: ratio(explained, total), interaction: ratio(explained, Math.max(total - linear, 0)) };
}

/** N . u for every pair. */
function projectNeurons(neurons: Float32Array | Float64Array, u: Float64Array): Float64Array {
  const n = u.length;
  const out = new Float64Array(neurons.length / n);
  for (let pair = 0; pair < out.length; pair++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += neurons[pair * n + j] * u[j];
    out[pair] = sum;
  }
  return out;
}

function giniWithGain({ acts, basis, p }: Prepared): number {
  const wl = neuronToLogit(acts.weights, p, acts.dModel, acts.dMlp, acts.weights.gain?.effective);
  return gini(rowNorms(transform(basis, wl, p, acts.dMlp), p, acts.dMlp).subarray(1));
}
