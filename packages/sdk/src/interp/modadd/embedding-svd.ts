/** Singular values of the embedding beside a random control, and the Gram matrix of its key directions (Li 2024's notebooks). */
import { singularValues } from "../math/eigen.ts";
import { NumpyRandom } from "../math/numpy-random.ts";
import { cosine, mean, participation, sumOfSquares } from "../math/statistics.ts";
import type { Floats } from "./input.ts";
import type { Prepared } from "./prepare.ts";
import type { EmbeddingSvd, KeyGram } from "./types.ts";

/** Singular values, falling. */
export interface Spectra {
  embedding: Float64Array;
  random: Float64Array;
}

/** Singular values of the p number embeddings [token, d] and of a Gaussian matrix of the same shape and Frobenius norm (seed 0). */
export function embeddingSpectra(embedding: Floats, p: number, d: number): Spectra {
  const numbers = embedding.subarray(0, p * d);
  const control = gaussian(p * d, 0);
  const factor = Math.sqrt(sumOfSquares(numbers) / sumOfSquares(control));
  const random = control.map((value) => value * factor);
  return { embedding: singularValues(numbers, p, d), random: singularValues(random, p, d) };
}

/** Standard normal numbers by Box and Muller. */
function gaussian(n: number, seed: number): Float64Array {
  const random = new NumpyRandom(seed);
  return Float64Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform()));
}

/** Summarises {@link embeddingSpectra}. */
export function summariseSvd({ embedding, random }: Spectra): EmbeddingSvd {
  const power = embedding.map((value) => value * value);
  return {
    above_random: embedding.filter((value) => value > random[0]).length,
    effective_rank: participation(power),
    random_effective_rank: participation(random.map((value) => value * value)),
    components_90: componentsFor(power, 0.9),
  };
}

function componentsFor(power: Float64Array, share: number): number {
  let missing = share * power.reduce((sum, value) => sum + value, 0);
  let count = 0;
  while (count < power.length && missing > 0) missing -= power[count++];
  return count;
}

/** Cosines between the embedding's Fourier rows at the key frequencies: the identity when the circles lie in orthogonal planes. */
export function keyGram({ embeddingHat, acts }: Prepared, ks: readonly number[]): KeyGram {
  const d = acts.dModel;
  const rows = ks.flatMap((k) => [2 * k - 1, 2 * k]).map((row) => embeddingHat.subarray(row * d, (row + 1) * d));
  const cosines = rows.flatMap((x) => rows.map((y) => cosine(x, y)));
  const off = cosines.filter((_, i) => Math.floor(i / rows.length) !== i % rows.length);
  return { labels: ks.flatMap((k) => [`cos ${k}`, `sin ${k}`]), cosine: cosines, mean_off_diagonal: mean(off.map(Math.abs)) };
}
