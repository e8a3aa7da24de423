/** Sparse probes (Gurnee et al. 2023, arXiv 2305.01610): how few features (neurons, say) carry a label. */
import { defaultCore, selectAlong, type Tensor, TritlensError } from "tritlens";
import {
  applyAffine,
  compareWithControls,
  countClasses,
  exampleRows,
  type LogisticProbeOptions,
  labelShuffle,
  logistic,
  majorityShare,
  type ProbeControl,
  probeAccuracy,
  requireControls,
  requireFeatures,
  splitExamples,
  Work,
} from "tritlens/interp";
import { type LineChart, Result } from "tritlens/plots";

/** Options of {@link fitSparseProbes}. */
export type SparseProbeOptions = LogisticProbeOptions;

/** A probe that sees `features` alone. */
export interface SparseProbe {
  /** Number of features. */
  readonly k: number;
  /** Which they are, the best first. */
  readonly features: readonly number[];
  /** Share of right answers on examples kept aside. */
  readonly score: number;
  /** The same with shuffled labels, features chosen anew for each shuffle. */
  readonly control: ProbeControl;
}

/** Probes of growing size. */
export class SparseProbes extends Result {
  /** One a size, in the order asked for. */
  readonly probes: readonly SparseProbe[];
  /** Share of the most frequent class among the examples kept aside. */
  readonly chance: number;

  constructor(probes: readonly SparseProbe[], chance: number) {
    super();
    this.probes = probes;
    this.chance = chance;
  }

  override chart(): LineChart {
    return {
      kind: "lines",
      title: "Sparse probes",
      caption: "Accuracy on examples kept aside, by the number of features a probe may see.",
      x: { name: "features", values: this.probes.map(({ k }) => k) },
      series: [
        { name: "true labels", values: this.probes.map(({ score }) => score) },
        { name: "shuffled labels", values: this.probes.map(({ control }) => control.mean) },
      ],
      unit: "accuracy",
    };
  }
}

/**
 * For each k, the k features whose variance between classes is largest for that within them (F statistic, on the examples fitted to), and a logistic probe on these. Controls
 * choose their features from shuffled labels, because choosing among many features finds something in noise as well. Sparse probing (Gurnee et al. 2023, arXiv 2305.01610),
 * with the choice of features by F statistic.
 *
 * A small k that does well says that few features carry the label; a neuron that is left out may carry it as well, when it says the same as one that was chosen.
 *
 * @param features - [example, feature]: hook_post of a layer for neurons.
 * @param labels - Class of each example, integers from 0.
 * @param sizes - Numbers of features, such as [1, 2, 4, 8].
 * @throws E_SHAPE, E_RANGE, E_NONFINITE for wrong features, labels, sizes or options; E_ABORTED.
 */
export async function fitSparseProbes(
  features: Tensor,
  labels: ArrayLike<number>,
  sizes: readonly number[],
  options: SparseProbeOptions = {},
): Promise<SparseProbes> {
  const { l2 = 1e-3, controls = 10, seed = 0, core = defaultCore() } = options;
  requireFeatures(features, labels.length);
  const [n, width] = features.shape as unknown as [number, number];
  const wrong = sizes.find((k) => !Number.isInteger(k) || k < 1 || k > width);
  if (wrong !== undefined || sizes.length === 0)
    throw new TritlensError("E_RANGE", "wrong number of features", { expected: `integers in [1, ${width}]`, found: String(wrong ?? "none") });
  const classes = countClasses(labels);
  const { fit, test } = splitExamples(core, n, options);
  const [forFit, forTest] = [exampleRows(features, fit), exampleRows(features, test)];
  const scoreOf = (given: Int32Array, ranking: readonly number[], k: number): number => {
    const kept = ranking.slice(0, k);
    const map = logistic(
      selectAlong(forFit, forFit.axes[1] as string, kept),
      fit.map((e) => given[e] as number),
      classes,
      { l2, core },
    );
    return probeAccuracy(
      applyAffine(map, selectAlong(forTest, forTest.axes[1] as string, kept), core),
      test.map((e) => given[e] as number),
    );
  };
  const orders = Array.from({ length: requireControls(controls) }, (_, c) => labelShuffle(core, n, seed, c));
  const given = [Int32Array.from(labels), ...orders.map((order) => order.map((e) => labels[e] as number))];
  const rankings = given.map((list) =>
    rankFeatures(
      forFit,
      fit.map((e) => list[e] as number),
      classes,
    ),
  );
  const work = new Work("sparse probing", sizes.length * given.length, options);
  const probes: SparseProbe[] = [];
  for (const k of sizes) {
    const scores: number[] = [];
    for (const [i, list] of given.entries()) {
      scores.push(scoreOf(list, rankings[i] as number[], k));
      await work.done();
    }
    const [score = Number.NaN, ...others] = scores;
    probes.push({ k, features: (rankings[0] as number[]).slice(0, k), score, control: compareWithControls(score, others) });
  }
  return new SparseProbes(
    probes,
    majorityShare(
      test.map((e) => labels[e] as number),
      classes,
    ),
  );
}

/** Features by their F statistic, largest first; constant ones last. */
function rankFeatures(features: Tensor, labels: Int32Array, classes: number): number[] {
  const [n, width] = features.shape as unknown as [number, number];
  const { data } = features;
  const [sums, counts, squares] = [new Float64Array(classes * width), new Float64Array(classes), new Float64Array(width)];
  const means = new Float64Array(width);
  for (let i = 0; i < data.length; i++) means[i % width] = (means[i % width] as number) + (data[i] as number) / n;
  for (let e = 0; e < n; e++) {
    const c = labels[e] as number;
    counts[c] = (counts[c] as number) + 1;
    for (let j = 0; j < width; j++) {
      const x = (data[e * width + j] as number) - (means[j] as number);
      sums[c * width + j] = (sums[c * width + j] as number) + x;
      squares[j] = (squares[j] as number) + x * x;
    }
  }
  const between = Float64Array.from(squares, (_, j) => {
    let sum = 0;
    for (let c = 0; c < classes; c++) if ((counts[c] as number) > 0) sum += (sums[c * width + j] as number) ** 2 / (counts[c] as number);
    return sum;
  });
  // The share of variance between classes orders features as F does.
  const share = between.map((b, j) => ((squares[j] as number) > 0 ? b / (squares[j] as number) : -1));
  return Array.from({ length: width }, (_, j) => j).sort((a, b) => (share[b] as number) - (share[a] as number) || a - b);
}
