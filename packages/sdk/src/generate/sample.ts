/** From logits to a token. */
import { TritlensError } from "../core/errors.ts";

/** How a token is chosen. */
export interface Sampling {
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
}

/**
 * Chooses a token: the best one at temperature 0; else temperature, then `topK`, then `topP`, then a draw (the order of Hugging Face's transformers).
 *
 * @param draw - A uniform number in [0, 1); called at most once.
 * @throws E_NONFINITE when the logits are no distribution.
 */
export function chooseToken(logits: Float32Array, { temperature, topK, topP }: Sampling, draw: () => number): number {
  const best = argmax(logits);
  if (temperature === 0 || topK === 1) return best;
  const max = logits[best] as number;
  const weight = (i: number): number => Math.exp(((logits[i] as number) - max) / temperature);
  if (topK === undefined && (topP === undefined || topP === 1)) return drawFrom(logits.length, (i) => i, weight, sum(logits.length, weight), draw);
  const few = nucleus(logits, weight, topK, topP ?? 1);
  const at = (i: number): number => few[i] as number;
  return drawFrom(
    few.length,
    at,
    weight,
    sum(few.length, (i) => weight(at(i))),
    draw,
  );
}

/** The tokens that `topK` and `topP` leave, best first. */
function nucleus(logits: Float32Array, weight: (i: number) => number, topK: number | undefined, topP: number): Uint32Array {
  if (topK !== undefined) {
    const few = largest(logits, topK);
    return few.subarray(0, reach(few, weight, topP * sum(few.length, (i) => weight(few[i] as number))));
  }
  const wanted = topP * sum(logits.length, weight);
  // Nearly always a few tokens have all of it, so not the whole vocabulary is sorted.
  for (let k = 64; ; k *= 16) {
    const few = largest(logits, k);
    const length = reach(few, weight, wanted);
    if (length < few.length || few.length === logits.length) return few.subarray(0, length);
  }
}

/** How many of the best tokens it takes to have `wanted`, all of them when they do not. */
function reach(few: Uint32Array, weight: (i: number) => number, wanted: number): number {
  let total = 0;
  for (let i = 0; i < few.length; i++) {
    total += weight(few[i] as number);
    if (total >= wanted) return i + 1;
  }
  return few.length;
}

function drawFrom(length: number, at: (i: number) => number, weight: (token: number) => number, total: number, draw: () => number): number {
  let left = draw() * total;
  for (let i = 0; i < length; i++) {
    left -= weight(at(i));
    if (left < 0) return at(i);
  }
  // Rounding may leave a little.
  return at(length - 1);
}

function sum(length: number, value: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < length; i++) total += value(i);
  return total;
}

/** The largest logit's index, the first of equals. */
function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    const x = logits[i] as number;
    if (x > (logits[best] as number)) best = i;
    else if (Number.isNaN(x)) throw notFinite(i, x);
  }
  if (!Number.isFinite(logits[best])) throw notFinite(best, logits[best] as number);
  return best;
}

function notFinite(token: number, value: number): TritlensError {
  return new TritlensError("E_NONFINITE", `the logit of token ${token} is no number`, { expected: "finite logits", found: String(value) });
}

/** Indices of the `k` largest values, best first; the first of equals. */
export function largest(values: Float32Array, k: number): Uint32Array {
  const size = Math.min(k, values.length);
  // A heap with the worst of the kept ones on top.
  const heap = new Uint32Array(size);
  const worse = (a: number, b: number): boolean => {
    const [x, y] = [values[a] as number, values[b] as number];
    return x < y || (x === y && a > b);
  };
  const sink = (from: number, end: number): void => {
    for (let at = from; ; ) {
      let down = 2 * at + 1;
      if (down >= end) return;
      if (down + 1 < end && worse(heap[down + 1] as number, heap[down] as number)) down++;
      if (!worse(heap[down] as number, heap[at] as number)) return;
      [heap[at], heap[down]] = [heap[down] as number, heap[at] as number];
      at = down;
    }
  };
  for (let i = 0; i < size; i++) heap[i] = i;
  for (let i = size >> 1; i-- > 0; ) sink(i, size);
  for (let i = size; i < values.length; i++) {
    if (!worse(heap[0] as number, i)) continue;
    heap[0] = i;
    sink(0, size);
  }
  for (let end = size - 1; end > 0; end--) {
    [heap[0], heap[end]] = [heap[end] as number, heap[0] as number];
    sink(0, end);
  }
  return heap;
}

/** log sum exp, in f64: a logit less this is a log-probability. */
export function logSumExp(logits: Float32Array): number {
  // Plain loops: a vocabulary has 10^5 tokens, and this runs for each of the text.
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if ((logits[i] as number) > max) max = logits[i] as number;
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp((logits[i] as number) - max);
  return max + Math.log(total);
}
