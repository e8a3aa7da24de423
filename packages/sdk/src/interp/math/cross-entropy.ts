/** Mean cross-entropy in f64: float32 log-softmax can only give multiples of about 1.2e-7, which is above the losses of a grokked model (Nanda 2023). */
import type { SplitLoss } from "../modadd/types.ts";
import type { Floats } from "./floats.ts";

/** -log softmax(row)[target] for row = x[from, from + n). The largest entry is left out of the sum and log1p adds it back, so that tiny losses keep their digits. */
export function crossEntropyAt(x: Floats, from: number, n: number, target: number): number {
  const top = from + argmaxAt(x, from, n);
  const largest = x[top];
  let rest = 0;
  for (let j = from; j < top; j++) rest += Math.exp(x[j] - largest);
  for (let j = top + 1; j < from + n; j++) rest += Math.exp(x[j] - largest);
  return Math.log1p(rest) - (x[from + target] - largest);
}

/** Which pairs were trained on: one byte a pair. */
export function trainMask(p: number, trainIndices: ArrayLike<number>): Uint8Array {
  const mask = new Uint8Array(p * p);
  for (let i = 0; i < trainIndices.length; i++) mask[trainIndices[i] as number] = 1;
  return mask;
}

/**
 * Means of a loss over all pairs, those trained on, and the others.
 *
 * @param lossOf - Loss of the pair `a * p + b`.
 * @param mask - From {@link trainMask}. A mean over no pairs is 0.
 */
export function splitMean(p: number, mask: Uint8Array, lossOf: (pair: number) => number): SplitLoss {
  const sum = [0, 0];
  const count = [0, 0];
  for (let pair = 0; pair < p * p; pair++) {
    const side = mask[pair] as 0 | 1;
    sum[side] = (sum[side] as number) + lossOf(pair);
    count[side] = (count[side] as number) + 1;
  }
  const [test, train] = sum as [number, number];
  const [tests, trains] = count as [number, number];
  return { all: (test + train) / (p * p), train: trains === 0 ? 0 : train / trains, test: tests === 0 ? 0 : test / tests };
}

/** Losses of logits [pair, cls] on modular addition: the target of (a, b) is (a + b) mod p. */
export function additionLoss(logits: Floats, p: number, mask: Uint8Array): SplitLoss {
  return splitMean(p, mask, (pair) => crossEntropyAt(logits, pair * p, p, answer(pair, p)));
}

/** Share of right answers, split the same way. */
export function additionAccuracy(logits: Floats, p: number, mask: Uint8Array): SplitLoss {
  return splitMean(p, mask, (pair) => (argmaxAt(logits, pair * p, p) === answer(pair, p) ? 1 : 0));
}

/** (a + b) mod p of the pair `a * p + b`. */
export const answer = (pair: number, p: number): number => (Math.floor(pair / p) + (pair % p)) % p;

function argmaxAt(x: Floats, from: number, n: number): number {
  let best = 0;
  for (let j = 1; j < n; j++) if (x[from + j] > x[from + best]) best = j;
  return best;
}
