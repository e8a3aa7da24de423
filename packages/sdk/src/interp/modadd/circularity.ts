/** Circularity of the embedding (Zhong et al. 2023): principal components that are pure cosines of the token. */

import { type Principal, principalComponents } from "../math/eigen.ts";
import { cosAt, frequencies, sinAt } from "../math/fourier.ts";
import { argmax, mean } from "../math/statistics.ts";
import type { Floats } from "./input.ts";
import type { Circularity } from "./types.ts";

/** Components averaged over. */
const COMPONENTS = 4;

/** Principal components of the p number tokens' embeddings, [token, d]. */
export function embeddingComponents(embedding: Floats, p: number, dModel: number): Principal {
  return principalComponents(embedding, p, dModel);
}

/**
 * For each of the first four components with scores v, |v| = 1: max over k of (2/p) |sum_t v_t e^(2 pi i k t / p)|^2, clipped to 1. A perfect circle gives 1 on
 * its two components; components beyond the rank of the embedding are noise.
 */
export function circularity({ scores }: Principal, p: number): Circularity {
  const spectra = Array.from({ length: Math.min(COMPONENTS, p) }, (_, i) => componentSpectrum(scores.subarray(i * p, (i + 1) * p), p));
  const by = spectra.map((spectrum) => Math.min(1, Math.max(...spectrum)));
  return { mean: mean(by), by_component: by, frequencies: spectra.map((spectrum) => argmax(spectrum) + 1) };
}

/** (2/p) |sum_t v_t e^(i w_k t)|^2 by frequency, entry k-1. */
export function componentSpectrum(v: Floats, p: number): number[] {
  return frequencies(p).map((k) => {
    let [re, im] = [0, 0];
    for (let t = 0; t < p; t++) {
      re += v[t] * cosAt(k, t, p);
      im += v[t] * sinAt(k, t, p);
    }
    return (2 / p) * (re * re + im * im);
  });
}
