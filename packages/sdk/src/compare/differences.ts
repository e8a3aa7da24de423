/** Sums over pairs of tensors, from which cosine, relative error and KL divergence are read. They can be added to batch by batch. */
import type { Tensor } from "../tensor/index.ts";

/** How one activation (or one head of it) differs between two models. */
export interface Difference {
  /** a . b / (|a| |b|) over all elements; 1 when both are 0. */
  readonly cosine: number;
  /** |b - a| / |a| over all elements. */
  readonly relativeError: number;
  /** Mean over rows of KL(a || b) in nats, where rows are distributions: attention patterns, and logits through softmax. */
  readonly kl?: number;
}

/** The least probability that KL divides by: below it f32 has no full precision. */
const TINY = 2 ** -126;

/** Sums of one activation, head by head (one head where there is no such axis). */
export class Differences {
  readonly #distribution: boolean;
  readonly #heads: number;
  /** a.b, a.a, b.b, (b-a)^2, KL, rows: six numbers a head. */
  readonly #sums: Float64Array;

  /** `distribution`: rows along the last axis are probabilities. */
  constructor(heads: number, distribution: boolean) {
    this.#heads = heads;
    this.#distribution = distribution;
    this.#sums = new Float64Array(6 * heads);
  }

  /** Adds two tensors of one shape; `inner` elements of a head lie side by side. Masked scores (-inf in both) count for nothing. */
  add(a: Float32Array, b: Float32Array, inner: number, last: number): void {
    for (let from = 0, head = 0; from < a.length; from += inner, head = (head + 1) % this.#heads) {
      const [x, y] = [a.subarray(from, from + inner), b.subarray(from, from + inner)];
      this.#products(head, x, y);
      if (this.#distribution) this.#divergence(head, x, y, last);
    }
  }

  #products(head: number, a: Float32Array, b: Float32Array): void {
    let [ab, aa, bb, dd] = [0, 0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      const [x, y] = [a[i] as number, b[i] as number];
      if (x === y && !Number.isFinite(x)) continue;
      ab += x * y;
      aa += x * x;
      bb += y * y;
      dd += (y - x) ** 2;
    }
    this.#put(head, 0, [ab, aa, bb, dd]);
  }

  #divergence(head: number, a: Float32Array, b: Float32Array, last: number): void {
    let sum = 0;
    for (let i = 0; i < a.length; i++) {
      const p = a[i] as number;
      if (p > 0) sum += p * Math.log(p / Math.max(b[i] as number, TINY));
    }
    this.#put(head, 4, [sum, a.length / last]);
  }

  #put(head: number, at: number, values: readonly number[]): void {
    for (const [k, v] of values.entries()) this.#sums[6 * head + at + k] = (this.#sums[6 * head + at + k] as number) + v;
  }

  /** Over all heads. */
  total(): Difference {
    const sums = Array.from({ length: 6 }, (_, k) =>
      Array.from({ length: this.#heads }, (_, h) => this.#sums[6 * h + k] as number).reduce((x, y) => x + y, 0),
    );
    return this.#read(sums);
  }

  /** Head by head. */
  heads(): Difference[] {
    return Array.from({ length: this.#heads }, (_, h) => this.#read([...this.#sums.subarray(6 * h, 6 * h + 6)]));
  }

  #read(sums: readonly number[]): Difference {
    const [ab, aa, bb, dd, kl, rows] = sums as [number, number, number, number, number, number];
    const size = Math.sqrt(aa * bb);
    const difference = { cosine: size > 0 ? ab / size : aa === bb ? 1 : 0, relativeError: dd === 0 ? 0 : Math.sqrt(dd / aa) };
    return this.#distribution ? { ...difference, kl: Math.max(0, kl / rows) } : difference;
  }
}

/** How the logits of two models differ. */
export interface LogitDifference extends Difference {
  /** Mean KL(softmax a || softmax b) in nats a row. */
  readonly kl: number;
  /** Share of rows whose largest logit is the same class. */
  readonly top1: number;
  /** Rows compared. */
  readonly rows: number;
}

/** Sums over logits [.., class]. */
export class LogitDifferences {
  readonly #values: Differences = new Differences(1, false);
  #kl = 0;
  #same = 0;
  #rows = 0;

  /** Adds logits of one shape. */
  add(a: Tensor, b: Tensor): void {
    const classes = a.shape.at(-1) as number;
    const [x, y] = [a.data, b.data];
    this.#values.add(x, y, x.length, classes);
    for (let from = 0; from < x.length; from += classes) this.#row(x.subarray(from, from + classes), y.subarray(from, from + classes));
  }

  #row(a: Float32Array, b: Float32Array): void {
    const [p, q] = [logSoftmax(a), logSoftmax(b)];
    this.#kl += p.reduce((sum, lp, i) => sum + Math.exp(lp) * (lp - (q[i] as number)), 0);
    this.#same += largest(a) === largest(b) ? 1 : 0;
    this.#rows++;
  }

  /** What was found. */
  read(): LogitDifference {
    return { ...this.#values.total(), kl: Math.max(0, this.#kl / this.#rows), top1: this.#same / this.#rows, rows: this.#rows };
  }
}

function logSoftmax(row: Float32Array): Float64Array {
  const top = row[largest(row)] as number;
  const sum = Math.log(row.reduce((s, x) => s + Math.exp(x - top), 0)) + top;
  return Float64Array.from(row, (x) => x - sum);
}

function largest(row: Float32Array): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if ((row[i] as number) > (row[best] as number)) best = i;
  return best;
}
