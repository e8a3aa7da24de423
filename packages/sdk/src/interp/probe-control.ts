/** What keeps probes honest: examples kept aside, and the same procedure on labels that mean nothing. */
import { type Core, Tensor, TritlensError } from "tritlens";
import { permutation } from "tritlens/interp";
import type { BarChart } from "tritlens/plots";

/** Options of every probe. */
export interface ProbeOptions {
  /** Share of the examples that are kept aside for the score (0.25). */
  readonly holdout?: number;
  /** How many times the probe is fitted again with shuffled labels. */
  readonly controls?: number;
  /** Seed of the split and of the shuffles (0). */
  readonly seed?: number;
  /** The core that multiplies; the first one loaded when left out. */
  readonly core?: Core;
}

/** Scores of the same procedure with shuffled labels, on examples kept aside. */
export interface ProbeControl {
  /** One a shuffle. */
  readonly scores: Float64Array;
  /** Their mean; NaN without shuffles. */
  readonly mean: number;
  /** (1 + number of shuffles that score at least as well as the probe) / (1 + number of shuffles): no smaller than their number allows. */
  readonly p: number;
}

/** Examples to fit and to score by. */
export interface ProbeSplit {
  /** Indices of the examples to fit. */
  readonly fit: Int32Array;
  /** Indices of those kept aside. */
  readonly test: Int32Array;
}

/** A random split of n examples, the same for the same seed. @throws E_RANGE when one side would be empty. */
export function splitExamples(core: Core, n: number, { holdout = 0.25, seed = 0 }: ProbeOptions): ProbeSplit {
  const kept = Math.round(n * holdout);
  if (!(holdout > 0 && holdout < 1) || kept < 1 || kept >= n)
    throw new TritlensError("E_RANGE", "examples cannot be split", {
      expected: "a holdout in (0, 1) that leaves examples on both sides",
      found: `${holdout} of ${n} examples`,
    });
  const order = permutation(core, n, { seed });
  return { fit: order.slice(kept), test: order.slice(0, kept) };
}

/** Checks a number of shuffles, and gives it back. @throws E_RANGE unless it is an integer of at least 0. */
export function requireControls(controls: number): number {
  if (Number.isInteger(controls) && controls >= 0) return controls;
  throw new TritlensError("E_RANGE", "wrong controls", { expected: "an integer of at least 0", found: String(controls) });
}

/** The order of labels in one shuffle: entry i is the example whose label i gets, [example]. @param shuffle - Which shuffle, counted from 0. */
export function labelShuffle(core: Core, n: number, seed: number, shuffle: number): Int32Array {
  return permutation(core, n, { seed, stream: 1 + shuffle });
}

/** Compares a score with those of shuffled labels: a permutation test, one-sided (higher is better). @param scores - One a shuffle. */
export function compareWithControls(score: number, scores: readonly number[]): ProbeControl {
  const better = scores.filter((s) => s >= score).length;
  return {
    scores: Float64Array.from(scores),
    mean: scores.reduce((sum, s) => sum + s, 0) / scores.length,
    p: (1 + better) / (1 + scores.length),
  };
}

/** Some rows of a matrix [example, feature], copied, in the order asked for. @param examples - Indices of rows. */
export function exampleRows(x: Tensor, examples: Int32Array): Tensor {
  const width = x.shape[1] as number;
  const { data } = x;
  const out = new Float32Array(examples.length * width);
  for (const [i, e] of examples.entries()) out.set(data.subarray(e * width, (e + 1) * width), i * width);
  return Tensor.from(out, [examples.length, width], x.axes);
}

/**
 * Checks that features are a matrix [example, feature] of finite numbers with a row for each label.
 *
 * @param labels - Number of labels.
 * @param what - What errors call the features.
 * @throws E_SHAPE, E_NONFINITE.
 */
export function requireFeatures(features: Tensor, labels: number, what = "features"): void {
  if (features.shape.length !== 2 || features.size === 0)
    throw new TritlensError("E_SHAPE", `${what} have to be a matrix`, { expected: "[example, feature]", found: `[${features.shape.join(", ")}]` });
  if (features.shape[0] !== labels)
    throw new TritlensError("E_SHAPE", "one label for each example is needed", { expected: `${features.shape[0]} labels`, found: `${labels}` });
  const wrong = features.data.findIndex((x) => !Number.isFinite(x));
  if (wrong >= 0)
    throw new TritlensError("E_NONFINITE", `${what} have to be finite`, {
      expected: "finite numbers",
      found: `${features.data[wrong]} at ${wrong}`,
    });
}

/** The probe beside its controls. */
export function probeChart(title: string, unit: string, score: number, { scores, mean }: ProbeControl): BarChart {
  const none = scores.length === 0;
  return {
    kind: "bars",
    title,
    caption: "Scores on examples kept aside. A probe says something where shuffled labels do not do as well.",
    x: { name: "labels", labels: none ? ["true"] : ["true", "shuffled (mean)", "shuffled (best)"] },
    series: [{ name: unit, values: none ? [score] : [score, mean, Math.max(...scores)] }],
    unit,
  };
}
