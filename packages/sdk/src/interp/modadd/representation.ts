/**
 * Family-level fits of representations (Chughtai, Chan and Nanda 2023). For the cyclic group the irreducible representations are rotations by
 * w_k with character 2 cos(w_k t). Which k a model uses differs by seed, so models are compared by how much of them lies in the family at all.
 */
import { rowNorms, transform } from "../math/fourier.ts";
import { meanOverPairs } from "../math/marginals.ts";
import { ratio } from "../math/statistics.ts";
import { weight } from "./check.ts";
import { powerShare } from "./keys.ts";
import type { CosineFit } from "./logit-fit.ts";
import { centredSquares } from "./neurons.ts";
import type { Prepared } from "./prepare.ts";
import type { RepresentationFit } from "./types.ts";
import { record } from "./unembed.ts";

/** All four metrics at the key frequencies. */
export function representationFit(prepared: Prepared, fit: CosineFit, ks: readonly number[]): RepresentationFit {
  const { p, acts, basis, embeddingHat } = prepared;
  const embedding = powerShare(embeddingHat, p, acts.dModel);
  const unembed = powerShare(transform(basis, weight(acts.weights, "W_U").effective, p, acts.dModel), p, acts.dModel);
  const mlp = mlpShare(prepared);
  const total = (share: Float64Array): number => ks.reduce((sum, k) => sum + share[k - 1], 0);
  return {
    logit_similarity: record(ks, (k) => Math.sign(fit.alpha[k - 1]) * Math.sqrt(fit.share[k - 1])),
    embedding_fve: record(ks, (k) => embedding[k - 1]),
    unembed_fve: record(ks, (k) => unembed[k - 1]),
    mlp_fve: record(ks, (k) => mlp[k - 1]),
    embedding_fve_key: total(embedding),
    unembed_fve_key: total(unembed),
    mlp_fve_key: total(mlp),
  };
}

/** Share of all neurons' centred sum of squares along cos, sin(w_k(a+b)), entry k-1. */
function mlpShare({ acts, p, neuronSums, neuronHat }: Prepared): Float64Array {
  const n = acts.dMlp;
  const total = centredSquares(acts.neurons, meanOverPairs(neuronSums, p, n), n).reduce((sum, value) => sum + value, 0);
  const norms = rowNorms(neuronHat.sum, p, n);
  return Float64Array.from({ length: Math.floor((p - 1) / 2) }, (_, i) => ratio((norms[2 * i + 1] ** 2 + norms[2 * i + 2] ** 2) / p, total));
}
