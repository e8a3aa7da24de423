/** The modular-addition task and its train/test splits. */
import { TritlensError, unknownName } from "../core/errors.ts";
import { requireModulus } from "../models/index.ts";
import { pythonShuffle, torchPermutation } from "./mt19937.ts";

/** Token rows. */
export interface TokenBatch {
  /** Row-major [rows, pos]. */
  readonly data: Int32Array;
  /** Rows, and tokens a row. */
  readonly shape: readonly [rows: number, pos: number];
}

/** Inputs with their classes: one target a row for a model that reads out the last position, one a position for one that reads out all. */
export interface Examples {
  /** Inputs; rows of `nCtx` tokens where every position has a target. */
  readonly tokens: TokenBatch;
  /** The classes, [rows] or row-major [rows, pos]; -1 leaves a row or position out. */
  readonly targets: Int32Array;
}

/** Which paper's shuffle makes the split. */
export type SplitKind = "li" | "nanda";

/** How a data set was made, in plain JSON: enough to make it again. */
export interface DataDescription {
  /** The only task so far. */
  readonly task: "modular-addition";
  /** Modulus. */
  readonly p: number;
  /** Whose shuffle; `given` for indices from outside. */
  readonly split: SplitKind | "given";
  /** Seed of the shuffle; absent for given indices. */
  readonly seed?: number;
  /** Share of the pairs trained on. */
  readonly fraction: number;
}

/** What a trainer needs: examples to train on, and others to test on (may be empty). */
export interface TrainingData {
  /** Examples to train on: all of them every step, or `batchSize` of them. */
  readonly train: Examples;
  /** Examples that evaluations use beside the training set. */
  readonly test: Examples;
  /** How it was made; kept in checkpoints. */
  readonly description?: DataDescription;
}

/** All p * p sums, split. Pair (a, b) has index a * p + b and the tokens [a, b, p], where p stands for "=". */
export interface ModularAddition extends TrainingData {
  /** Modulus. */
  readonly p: number;
  /** Pairs trained on, in the shuffle's order. */
  readonly trainIndices: Int32Array;
  /** The other pairs, in the shuffle's order. */
  readonly testIndices: Int32Array;
  /** Every pair in order of its index. */
  readonly all: Examples;
  /** How it was made. */
  readonly description: DataDescription;
}

/** Options of {@link modularAddition}. */
export interface ModularAdditionOptions {
  /** Modulus, at least 3. */
  readonly p: number;
  /** Share of the pairs to train on, in (0, 1); 0.3 in both papers. */
  readonly fraction?: number;
  /** `li`: torch.randperm; `nanda`: Python's random.shuffle. `li` when left out. */
  readonly split?: SplitKind;
  /** Seed of the shuffle; 598 for `li`, 0 for `nanda`, as in the papers' code. */
  readonly seed?: number;
  /** Train on exactly these pairs instead of shuffling. */
  readonly trainIndices?: ArrayLike<number>;
}

/**
 * (a + b) mod p over all pairs, with the papers' own splits: Li trains on the first 30 % of `torch.randperm(p * p)` after `torch.manual_seed(598)`,
 * Nanda on the first 30 % of Python's `random.shuffle` with seed 0. Both are reproduced bit for bit.
 *
 * @throws E_RANGE for p below 3, a fraction outside (0, 1), a seed or index out of range; E_NAME for an unknown split.
 * @example
 * ```ts
 * const data = modularAddition({ p: 113 });  // 3830 train, 8939 test
 * ```
 */
export function modularAddition(options: ModularAdditionOptions): ModularAddition {
  const p = requireModulus(options.p);
  const fraction = options.fraction ?? 0.3;
  const description = describe(options, p, fraction);
  const order = options.trainIndices ? givenFirst(options.trainIndices, p) : shuffled(description, p);
  const count = options.trainIndices ? options.trainIndices.length : trainCount(description.split, p, fraction);
  if (count < 1 || count >= p * p) {
    throw new TritlensError("E_RANGE", "the split leaves nothing to train on or nothing to test on", {
      expected: `1 to ${p * p - 1} training pairs`,
      found: String(count),
    });
  }
  const [trainIndices, testIndices] = [order.slice(0, count), order.slice(count)];
  const all = Int32Array.from({ length: p * p }, (_, i) => i);
  return { p, trainIndices, testIndices, train: examples(trainIndices, p), test: examples(testIndices, p), all: examples(all, p), description };
}

/** Makes a data set again from its description; `trainIndices` is needed when they were given. */
export function dataFromDescription(d: DataDescription, trainIndices?: ArrayLike<number>): ModularAddition {
  if (d.split === "given") return modularAddition({ p: d.p, ...(trainIndices ? { trainIndices } : {}) });
  return modularAddition({ p: d.p, fraction: d.fraction, split: d.split, ...(d.seed === undefined ? {} : { seed: d.seed }) });
}

function describe(options: ModularAdditionOptions, p: number, fraction: number): DataDescription {
  if (options.trainIndices) return { task: "modular-addition", p, split: "given", fraction: options.trainIndices.length / (p * p) };
  if (!(fraction > 0 && fraction < 1)) {
    throw new TritlensError("E_RANGE", "wrong training fraction", { expected: "a number in (0, 1)", found: String(fraction) });
  }
  const split = options.split ?? "li";
  if (split !== "li" && split !== "nanda") throw unknownName("split", String(split), ["li", "nanda"]);
  const seed = options.seed ?? (split === "li" ? 598 : 0);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new TritlensError("E_RANGE", "wrong data seed", { expected: "an integer in [0, 2^53)", found: String(seed) });
  return { task: "modular-addition", p, split, seed, fraction };
}

function shuffled(d: DataDescription, p: number): Int32Array {
  const shuffle = d.split === "li" ? torchPermutation : pythonShuffle;
  return shuffle(p * p, d.seed as number);
}

/** As the papers' code rounds: Li int(frac * p * p), Nanda int(frac * len(pairs)). */
function trainCount(split: SplitKind | "given", p: number, fraction: number): number {
  return Math.trunc(split === "li" ? fraction * p * p : fraction * (p * p));
}

/** All pairs with the given ones first, in the order given. */
function givenFirst(given: ArrayLike<number>, p: number): Int32Array {
  const used = new Set<number>();
  for (const i of Array.from(given)) {
    if (!Number.isInteger(i) || i < 0 || i >= p * p || used.has(i)) {
      throw new TritlensError("E_RANGE", "wrong training index", { expected: `distinct integers in [0, ${p * p})`, found: String(i) });
    }
    used.add(i);
  }
  const rest = Array.from({ length: p * p }, (_, i) => i).filter((i) => !used.has(i));
  return Int32Array.from([...used, ...rest]);
}

function examples(indices: Int32Array, p: number): Examples {
  const data = new Int32Array(indices.length * 3);
  const targets = new Int32Array(indices.length);
  indices.forEach((index, row) => {
    const [a, b] = [Math.floor(index / p), index % p];
    data.set([a, b, p], row * 3);
    targets[row] = (a + b) % p;
  });
  return { tokens: { data, shape: [indices.length, 3] }, targets };
}
