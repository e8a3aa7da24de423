/** Linear probes of classes, dense and sparse, with shuffled labels as controls. */
import { type Core, defaultCore, type Tensor, TritlensError } from "tritlens";
import {
  type AffineMap,
  applyAffine,
  compareWithControls,
  exampleRows,
  labelShuffle,
  logistic,
  type ProbeControl,
  type ProbeOptions,
  probeChart,
  requireControls,
  requireFeatures,
  splitExamples,
  Work,
  type WorkOptions,
} from "tritlens/interp";
import { type BarChart, Result } from "tritlens/plots";

/** Options of {@link fitLogisticProbe}. */
export interface LogisticProbeOptions extends ProbeOptions, WorkOptions {
  /** Penalty (1e-3); see {@link logistic}. */
  readonly l2?: number;
}

/** A linear classifier of activations, and how often it is right. */
export class LogisticProbe extends Result {
  /** The map to logits: weight [feature, class], bias [class]. */
  readonly map: AffineMap;
  /** Share of right answers on examples kept aside. */
  readonly score: number;
  /** The same on the examples it was fitted to. */
  readonly fitScore: number;
  /** Share of the most frequent class among the examples kept aside. */
  readonly chance: number;
  /** Share of right answers with shuffled labels. */
  readonly control: ProbeControl;
  readonly #core: Core;

  constructor(
    map: AffineMap,
    scores: { readonly score: number; readonly fitScore: number; readonly chance: number },
    control: ProbeControl,
    core: Core,
  ) {
    super();
    this.map = map;
    this.score = scores.score;
    this.fitScore = scores.fitScore;
    this.chance = scores.chance;
    this.control = control;
    this.#core = core;
  }

  /** Class of each example. @throws E_SHAPE. */
  predict(features: Tensor): Int32Array {
    return argmax(applyAffine(this.map, features, this.#core));
  }

  /** The two-class direction: weight of class 1 less that of class 0, [feature]. @throws E_MODE for more classes. */
  direction(): Float32Array {
    const { data, shape } = this.map.weight;
    if (shape[1] !== 2) throw new TritlensError("E_MODE", "the probe has no single direction", { expected: "2 classes", found: `${shape[1]}` });
    return Float32Array.from({ length: shape[0] as number }, (_, j) => (data[2 * j + 1] as number) - (data[2 * j] as number));
  }

  override chart(): BarChart {
    return probeChart("Logistic probe", "accuracy", this.score, this.control);
  }
}

/**
 * Fits a logistic probe, and again to shuffled labels (10 shuffles when `controls` is left out). A probe that finds a label shows that it can be read off linearly, not that
 * the model uses it: steer or patch along its direction to see that. Shuffled labels tell what the procedure finds in noise; they are not the control tasks of Hewitt and
 * Liang (2019), which keep the structure of the inputs.
 *
 * @param features - [example, feature], of {@link siteActivations} for instance.
 * @param labels - Class of each example, integers from 0.
 * @throws E_SHAPE, E_RANGE, E_NONFINITE for wrong features, labels or options; E_ABORTED.
 */
export async function fitLogisticProbe(features: Tensor, labels: ArrayLike<number>, options: LogisticProbeOptions = {}): Promise<LogisticProbe> {
  const { l2 = 1e-3, controls = 10, seed = 0, core = defaultCore() } = options;
  requireFeatures(features, labels.length);
  const classes = countClasses(labels);
  const split = splitExamples(core, labels.length, options);
  const [forFit, forTest] = [exampleRows(features, split.fit), exampleRows(features, split.test)];
  const fitTo = (given: ArrayLike<number>): { map: AffineMap; score: number } => {
    const map = logistic(forFit, pick(given, split.fit), classes, { l2, core });
    return { map, score: probeAccuracy(applyAffine(map, forTest, core), pick(given, split.test)) };
  };
  const work = new Work("probing", 1 + requireControls(controls), options);
  const { map, score } = fitTo(labels);
  await work.done();
  const scores: number[] = [];
  for (let c = 0; c < controls; c++) {
    scores.push(fitTo(pick(labels, labelShuffle(core, labels.length, seed, c))).score);
    await work.done();
  }
  const fitScore = probeAccuracy(applyAffine(map, forFit, core), pick(labels, split.fit));
  return new LogisticProbe(
    map,
    { score, fitScore, chance: majorityShare(pick(labels, split.test), classes) },
    compareWithControls(score, scores),
    core,
  );
}

/**
 * Number of classes in labels.
 *
 * @param labels - Class of each example, [example].
 * @throws E_RANGE for labels that are no integers from 0, or fewer than two classes.
 */
export function countClasses(labels: ArrayLike<number>): number {
  const list = Array.from(labels);
  const wrong = list.find((c) => !Number.isInteger(c) || c < 0 || c >= 65_536);
  if (wrong !== undefined) throw new TritlensError("E_RANGE", "a label is no class", { expected: "an integer in [0, 65536)", found: String(wrong) });
  if (new Set(list).size < 2)
    throw new TritlensError("E_RANGE", "nothing to tell apart", { expected: "labels of two classes or more", found: "one" });
  return Math.max(...new Set(list)) + 1;
}

/**
 * Share of rows whose largest entry is at the label.
 *
 * @param logits - [example, class].
 * @param labels - Class of each example, [example].
 */
export function probeAccuracy(logits: Tensor, labels: ArrayLike<number>): number {
  return argmax(logits).filter((c, i) => c === labels[i]).length / labels.length;
}

/** Share of the most frequent class: what a probe that learnt nothing scores. @param labels - Class of each example, [example]. */
export function majorityShare(labels: ArrayLike<number>, classes: number): number {
  const counts = new Int32Array(classes);
  for (const c of Array.from(labels)) counts[c] = (counts[c] as number) + 1;
  return Math.max(...counts) / labels.length;
}

function argmax({ data, shape }: Tensor): Int32Array {
  const width = shape[1] as number;
  return Int32Array.from({ length: shape[0] as number }, (_, r) => {
    let best = 0;
    for (let c = 1; c < width; c++) if ((data[r * width + c] as number) > (data[r * width + best] as number)) best = c;
    return best;
  });
}

function pick(labels: ArrayLike<number>, examples: Int32Array): Int32Array {
  return examples.map((e) => labels[e] as number);
}
