/** Linear probes of numbers (Alain and Bengio 2016), by ridge regression, with shuffled targets as controls. */
import { type Core, concat, defaultCore, Tensor, TritlensError } from "tritlens";
import {
  type AffineMap,
  applyAffine,
  compareWithControls,
  exampleRows,
  labelShuffle,
  type ProbeControl,
  type ProbeOptions,
  probeChart,
  requireControls,
  requireFeatures,
  ridge,
  splitExamples,
} from "tritlens/interp";
import { type BarChart, Result } from "tritlens/plots";

/** Options of {@link fitRidgeProbe}. */
export interface RidgeProbeOptions extends ProbeOptions {
  /** Penalty, relative to the mean variance of a feature (1e-2); see {@link ridge}. */
  readonly l2?: number;
}

/** A linear map from activations to numbers, and how much of their variance it explains. */
export class RidgeProbe extends Result {
  /** The map: weight [feature, output], bias [output]. */
  readonly map: AffineMap;
  /** Share of variance explained (R^2) on examples kept aside: 1 is all, 0 no more than the mean; it can be negative. */
  readonly score: number;
  /** The same on the examples it was fitted to. */
  readonly fitScore: number;
  /** R^2 with shuffled targets. */
  readonly control: ProbeControl;
  readonly #core: Core;

  constructor(map: AffineMap, score: number, fitScore: number, control: ProbeControl, core: Core) {
    super();
    this.map = map;
    this.score = score;
    this.fitScore = fitScore;
    this.control = control;
    this.#core = core;
  }

  /** Predictions [example, output]. @throws E_SHAPE. */
  predict(features: Tensor): Tensor {
    return applyAffine(this.map, features, this.#core);
  }

  override chart(): BarChart {
    return probeChart("Ridge probe", "R²", this.score, this.control);
  }
}

/**
 * Fits a ridge probe and, at no great cost, the same probe to shuffled targets (20 shuffles when `controls` is left out). Linear probes (Alain and Bengio 2016, arXiv
 * 1610.01644).
 *
 * For numbers; for classes take {@link fitLogisticProbe}. Explained variance shows that the number can be read off linearly, not that the model uses it.
 *
 * @param features - [example, feature], of {@link siteActivations} for instance.
 * @param targets - One number an example, or [example, output].
 * @throws E_SHAPE, E_RANGE, E_NONFINITE for wrong features, targets or options.
 * @example
 * ```ts
 * const probe = fitRidgeProbe(siteActivations(model, tokens, "blocks.1.hook_resid_post"), years);
 * console.log(probe.score, probe.control.p);
 * ```
 */
export function fitRidgeProbe(features: Tensor, targets: Tensor | ArrayLike<number>, options: RidgeProbeOptions = {}): RidgeProbe {
  const { l2 = 1e-2, controls = 20, seed = 0, core = defaultCore() } = options;
  const y = targets instanceof Tensor ? targets : Tensor.from(Float32Array.from(targets), [targets.length, 1], ["example", "output"]);
  const n = y.shape[0] as number;
  requireFeatures(features, n);
  requireFeatures(y, n, "targets");
  if (y.data.every((value, i) => value === y.data[i % (y.shape[1] as number)]))
    throw new TritlensError("E_RANGE", "nothing to explain", { expected: "targets that differ", found: "the same in every example" });
  const { fit, test } = splitExamples(core, n, options);
  const shuffles = Array.from({ length: requireControls(controls) }, (_, c) => exampleRows(y, labelShuffle(core, n, seed, c)));
  const all = concat([y, ...shuffles], y.axes[1] as string);
  // One factorisation serves the true and all shuffled targets.
  const map = ridge(exampleRows(features, fit), exampleRows(all, fit), { l2, core });
  const outputs = y.shape[1] as number;
  const scoresOn = (examples: Int32Array): number[] => {
    const [found, wanted] = [applyAffine(map, exampleRows(features, examples), core), exampleRows(all, examples)];
    return [y, ...shuffles].map((_, i) => explained(found, wanted, i * outputs, (i + 1) * outputs));
  };
  const [score = Number.NaN, ...scores] = scoresOn(test);
  const own = {
    weight: map.weight.slice("output", [0, outputs]),
    bias: map.bias.slice("output", [0, outputs]),
  };
  return new RidgeProbe(own, score, scoresOn(fit)[0] as number, compareWithControls(score, scores), core);
}

/** R^2 of some outputs together. */
function explained(found: Tensor, wanted: Tensor, from: number, to: number): number {
  const [n, width] = wanted.shape as unknown as [number, number];
  let [error, total] = [0, 0];
  for (let o = from; o < to; o++) {
    let mean = 0;
    for (let e = 0; e < n; e++) mean += (wanted.data[e * width + o] as number) / n;
    for (let e = 0; e < n; e++) {
      const y = wanted.data[e * width + o] as number;
      error += (y - (found.data[e * width + o] as number)) ** 2;
      total += (y - mean) ** 2;
    }
  }
  // Targets that are all equal can only be met or missed.
  return total > 0 ? 1 - error / total : error > 0 ? Number.NEGATIVE_INFINITY : 1;
}
