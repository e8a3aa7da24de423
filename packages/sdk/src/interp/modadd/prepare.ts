/** Quantities that several analyses share, computed once: the Fourier basis, line sums of logits and neurons, W_L. */

import { trainMask } from "../math/cross-entropy.ts";
import { fourierBasis, transform } from "../math/fourier.ts";
import { type Marginals, marginals, transformMarginals } from "../math/marginals.ts";
import { multiply } from "../math/matrix.ts";
import { weight } from "./check.ts";
import type { Floats, ModAddActivations, ModAddWeights } from "./input.ts";

/** What the progress measures need: logits and weights only. */
export type LogitActivations = Pick<ModAddActivations, "p" | "logits" | "weights" | "trainIndices" | "dModel" | "dMlp">;

/** Shared quantities of logits and weights. */
export interface PreparedLogits {
  p: number;
  /** Fourier basis, [row, t]. */
  basis: Float64Array;
  /** 1 where a pair was trained on. */
  mask: Uint8Array;
  logits: Floats;
  /** Line sums of the logits, each [p, cls], and their transforms along the line. */
  logitSums: Marginals;
  logitHat: Marginals;
  /** F W_E over the p number tokens, [row, d]. */
  embeddingHat: Float64Array;
  /** W_L = W_U W_out with the effective W_out, [cls, neuron], and F W_L. */
  wl: Float64Array;
  wlHat: Float64Array;
}

/** Prepares logits and weights. */
export function prepareLogits(acts: LogitActivations): PreparedLogits {
  const { p, logits, weights, dModel, dMlp } = acts;
  const basis = fourierBasis(p);
  const logitSums = marginals(logits, p, p);
  const wl = neuronToLogit(weights, p, dModel, dMlp);
  return {
    p,
    basis,
    mask: trainMask(p, acts.trainIndices),
    logits,
    logitSums,
    logitHat: transformMarginals(basis, logitSums, p, p),
    embeddingHat: transform(basis, weight(weights, "W_E").effective, p, dModel),
    wl,
    wlHat: transform(basis, wl, p, dMlp),
  };
}

/** Shared quantities of the neurons. */
export interface PreparedNeurons {
  /** Line sums of the neurons, each [p, neuron], and their transforms along the line. */
  neuronSums: Marginals;
  neuronHat: Marginals;
}

/** Everything prepared. */
export interface Prepared extends PreparedLogits, PreparedNeurons {
  acts: ModAddActivations;
}

/** Prepares all. */
export function prepare(acts: ModAddActivations): Prepared {
  const logits = prepareLogits(acts);
  const neuronSums = marginals(acts.neurons, acts.p, acts.dMlp);
  return { acts, ...logits, neuronSums, neuronHat: transformMarginals(logits.basis, neuronSums, acts.p, acts.dMlp) };
}

/**
 * W_L = W_U W_out, [cls, neuron], for the p number classes (Nanda 2023, 4.3). W_out is the effective (quantised) matrix: the one the model computes with.
 *
 * @param gain - Folds an RMSNorm gain into W_U: W_U diag(gain) W_out. The reference analysis leaves it out.
 */
export function neuronToLogit(weights: ModAddWeights, p: number, dModel: number, dMlp: number, gain?: Floats): Float64Array {
  const unembed = Float64Array.from(weight(weights, "W_U").effective.subarray(0, p * dModel));
  if (gain) for (let i = 0; i < unembed.length; i++) unembed[i] *= gain[i % dModel];
  return multiply(unembed, weight(weights, "W_out").effective, p, dModel, dMlp);
}
