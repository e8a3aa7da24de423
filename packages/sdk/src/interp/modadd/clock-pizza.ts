/** Clock or pizza (Zhong et al. 2023, "The Clock and the Pizza"): gradient symmetricity and distance irrelevance. */
import { answer } from "../math/cross-entropy.ts";
import { lineIndex } from "../math/marginals.ts";
import { NumpyRandom } from "../math/numpy-random.ts";
import { dot, maxAbs, mean, ratio, standardDeviation, sumOfSquares } from "../math/statistics.ts";
import type { Floats, ModAddActivations, ModAddProbe } from "./input.ts";
import type { ClockPizza } from "./types.ts";

/** A sampled (a, b, c). */
export type Triple = [a: number, b: number, c: number];

/** The 100 triples of the reference: numpy's default_rng(0).integers(0, p, (100, 3)). The class c is random, not the answer. */
export function gradientTriples(p: number): Triple[] {
  const random = new NumpyRandom(0);
  return Array.from({ length: 100 }, () => [random.integer(p), random.integer(p), random.integer(p)]);
}

/**
 * Gradients shorter than this count as this long, as in PyTorch's `cosine_similarity`, which the papers' code uses. It matters where the softmax is saturated
 * (binary weights without a scale): a gradient of 1e-20 has a direction made of rounding, and its cosine becomes 0 instead.
 */
const SHORTEST = 1e-8;

/** Cosine of two gradients. */
function gradientCosine(x: Floats, y: Floats): number {
  const length = (v: Floats): number => Math.max(Math.sqrt(sumOfSquares(v)), SHORTEST);
  return dot(x, y) / (length(x) * length(y));
}

/**
 * Mean over triples of the cosine of dL_c/dE_a and dL_c/dE_b. About 1 for a pizza, but also for untrained models and uniform attention: read it beside
 * distance irrelevance and the untrained baseline.
 *
 * @param gradients - [triple, 2, d].
 */
export function gradientSymmetricity(gradients: Floats, triples: number, d: number): number {
  const part = (i: number): Floats => gradients.subarray(i * d, (i + 1) * d);
  return mean(Array.from({ length: triples }, (_, i) => gradientCosine(part(2 * i), part(2 * i + 1))));
}

/**
 * q = mean over d = a - b of the standard deviation over s = a + b of a logit, over its standard deviation on all pairs. 0: depends on the distance only (pizza);
 * 1: independent of it (clock). A constant logit gives 0/0, reported as 0.
 *
 * @param values - One number a pair: the correct logit, or the largest wrong one.
 */
export function distanceIrrelevance(values: Floats, p: number): number {
  const byDistance: number[][] = Array.from({ length: p }, () => []);
  for (let pair = 0; pair < p * p; pair++) (byDistance[lineIndex.difference(Math.floor(pair / p), pair % p, p)] as number[]).push(values[pair]);
  return ratio(mean(byDistance.map(standardDeviation)), constantToZero(standardDeviation(values), values));
}

/** Rounding leaves a constant logit with a deviation of about 1e-16 of its size, and 0/0 would then give any number. */
function constantToZero(deviation: number, values: Floats): number {
  return deviation <= 1e-7 * maxAbs(values) ? 0 : deviation;
}

/** The correct-class logit of every pair. */
export function correctLogits(logits: Floats, p: number): Float64Array {
  return Float64Array.from({ length: p * p }, (_, pair) => logits[pair * p + answer(pair, p)]);
}

/** The largest wrong logit of every pair. */
export function wrongLogits(logits: Floats, p: number): Float64Array {
  return Float64Array.from({ length: p * p }, (_, pair) => {
    let top = -Infinity;
    for (let c = 0; c < p; c++) if (c !== answer(pair, p) && logits[pair * p + c] > top) top = logits[pair * p + c];
    return top;
  });
}

/** Both metrics; gradient symmetricity is null without a probe. */
export async function clockPizza(acts: ModAddActivations, triples: readonly Triple[], probe?: ModAddProbe): Promise<ClockPizza> {
  const gradients = await probe?.embeddingGradients(triples);
  return {
    gradient_symmetricity: gradients ? gradientSymmetricity(gradients, triples.length, acts.dModel) : null,
    distance_irrelevance: distanceIrrelevance(correctLogits(acts.logits, acts.p), acts.p),
  };
}

/** Largest |L(a, b, c) - L(b, a, c)|. Li's architecture has no positions and no mask, so this is 0 to rounding; Nanda's is not symmetric. */
export function symmetricMaxAbs(logits: Floats, p: number): number {
  let worst = 0;
  for (let a = 0; a < p; a++) {
    for (let b = 0; b < a; b++) worst = Math.max(worst, rowDistance(logits, (a * p + b) * p, (b * p + a) * p, p));
  }
  return worst;
}

function rowDistance(x: Floats, from: number, other: number, n: number): number {
  let worst = 0;
  for (let j = 0; j < n; j++) worst = Math.max(worst, Math.abs(x[from + j] - x[other + j]));
  return worst;
}
