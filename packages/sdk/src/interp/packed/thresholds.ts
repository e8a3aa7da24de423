/** How far latent weights are from the thresholds at which their codes change. */
import { type Core, type Model, type Quantizer, Tensor, TritlensError, unknownName } from "tritlens";
import { configOf } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link thresholdDistances}. */
export interface ThresholdOptions {
  /** Matrices to look at; all that the quantiser touches when left out. */
  readonly names?: readonly string[];
  /** Ask what this quantiser would do with the weights of a model in full precision (or of another quantiser). */
  readonly quantizer?: Exclude<Quantizer, "none">;
}

/** The latent weights of one matrix against their thresholds. */
export interface MatrixThresholds {
  /** Name of the matrix. */
  readonly name: string;
  /** The quantiser's scale: mean |w - shift|. Distances are shares of it. */
  readonly scale: number;
  /** What the quantiser takes off first: the mean for the centred ones, else 0. */
  readonly shift: number;
  /** Thresholds of (w - shift) / scale: -0.5 and 0.5 (ternary), or 0 (binary). */
  readonly thresholds: readonly number[];
  /** Share of weights nearer to a threshold than each of {@link THRESHOLD_MARGINS}. */
  readonly near: readonly number[];
  /** Median distance from the nearest threshold. */
  readonly median: number;
  /** Numbers of weights by (w - shift) / scale, in {@link THRESHOLD_BINS} equal bins from -3 to 3; what is beyond is in the last ones. */
  readonly histogram: Int32Array;
}

/** Distances of which {@link MatrixThresholds.near} counts the weights. */
export const THRESHOLD_MARGINS: readonly number[] = [0.01, 0.05, 0.1];
/** Bins of {@link MatrixThresholds.histogram}. */
export const THRESHOLD_BINS = 60;

/** Latent weights of a model against the thresholds of their quantiser. */
export class ThresholdDistances extends Result {
  /** One entry a matrix. */
  readonly matrices: readonly MatrixThresholds[];
  /** The quantiser. */
  readonly quantizer: Quantizer;

  constructor(matrices: readonly MatrixThresholds[], quantizer: Quantizer) {
    super();
    this.matrices = matrices;
    this.quantizer = quantizer;
  }

  override chart(): Chart {
    const labels = this.matrices.map(({ name }) => name.replace(/^blocks\.(\d+)\.\w+\./, "L$1 "));
    return {
      kind: "panels",
      title: `Latent weights and the thresholds of ${this.quantizer}`,
      panels: [
        {
          kind: "lines",
          title: "Latent weights",
          caption: `Codes change at ${this.matrices[0].thresholds.join(" and ")}.`,
          x: { name: "weight / scale", values: Array.from({ length: THRESHOLD_BINS }, (_, i) => (6 * (i + 0.5)) / THRESHOLD_BINS - 3) },
          series: this.matrices.slice(0, 8).map(({ histogram }, i) => ({ name: labels[i], values: shares(histogram) })),
          unit: "share of weights",
        },
        {
          kind: "bars",
          title: "Weights near a threshold",
          x: { name: "matrix", labels },
          series: THRESHOLD_MARGINS.map((margin, k) => ({ name: `within ${margin}`, values: this.matrices.map(({ near }) => near[k]) })),
          unit: "share of weights",
        },
      ],
      columns: 1,
    };
  }
}

function shares(histogram: Int32Array): Float64Array {
  const total = histogram.reduce((a, b) => a + b, 0);
  return Float64Array.from(histogram, (n) => n / total);
}

/**
 * How near latent weights are to the thresholds at which their codes flip, in units of the quantiser's scale: what training may still change, and what rounding decided by little.
 * The scale is taken as it is; it moves with the weights.
 *
 * @throws E_MODE for weights that have no latent values (packed checkpoints) or no quantiser, E_NAME for a parameter that does not exist.
 * @example
 * ```ts
 * for (const { name, near } of thresholdDistances(model).matrices) console.log(name, `${100 * near[1]} % within 0.05`);
 * ```
 */
export function thresholdDistances(model: Model, options: ThresholdOptions = {}): ThresholdDistances {
  const names = options.names ?? quantisedNames(model, options.quantizer);
  const found = names.map((name) => {
    const { latent, quantizer } = latentOf(model, name, options.quantizer);
    return { quantizer, matrix: measured(model.core, name, latent, quantizer) };
  });
  return new ThresholdDistances(
    found.map(({ matrix }) => matrix),
    found[0].quantizer,
  );
}

/**
 * (w - shift) / scale less the nearest threshold, for every weight of a matrix, in the core's layout [out, in]: the sign says on which side.
 *
 * @returns [out, in].
 * @throws as {@link thresholdDistances}.
 */
export function thresholdMap(model: Model, name: string, { quantizer }: { readonly quantizer?: Exclude<Quantizer, "none"> } = {}): Tensor {
  const { latent, quantizer: used } = latentOf(model, name, quantizer);
  const { scale, shift, thresholds } = rule(model.core, latent.data, used);
  const data = Float32Array.from(latent.data, (w) => fromNearest((w - shift) / scale, thresholds));
  return Tensor.from(data, latent.shape, ["d_out", "d_in"]);
}

/** Names of the matrices a quantiser works on, or would. */
function quantisedNames(model: Model, quantizer: Quantizer | undefined): string[] {
  configOf(model);
  const names = model.paramNames.filter((name) => (quantizer ? /^blocks\.\d+\.(attn|mlp)\.W_\w+$/.test(name) : model.quantOf(name) !== "none"));
  if (names.length > 0) return names;
  throw new TritlensError("E_MODE", "the model has no latent weights with a quantiser", {
    expected: "a model with a quantizer in its config, or the option quantizer for a model in full precision",
    found: model.config?.stored ? "matrices of a checkpoint, which are codes already" : "full precision",
  });
}

function latentOf(model: Model, name: string, wanted: Quantizer | undefined): { latent: Tensor; quantizer: Exclude<Quantizer, "none"> } {
  const info = model.core.describe(model.program).params.find((p) => p.name === name);
  if (info === undefined) throw unknownName("parameter", name, model.paramNames);
  const quantizer = wanted ?? (info.quant as Quantizer);
  if (info.stored || quantizer === "none" || info.shape.length !== 2)
    throw new TritlensError("E_MODE", `"${name}" has no latent weights with a quantiser`, {
      expected: "a matrix of a model with a quantizer, or the option quantizer",
      found: info.stored ? "a matrix of a checkpoint" : quantizer === "none" ? "full precision" : "no matrix",
    });
  return { latent: model.readParam(name), quantizer };
}

/** Scale, shift and thresholds, as the quantisers of the core define them. */
function rule(core: Core, w: Float32Array, quantizer: Exclude<Quantizer, "none">): Pick<MatrixThresholds, "scale" | "shift" | "thresholds"> {
  const shift = quantizer === "ternary" ? 0 : w.reduce((sum, x) => sum + x, 0) / w.length;
  const ternary = quantizer === "ternary" || quantizer === "li_ternary";
  // Binary quantisers have a threshold only; their distances are in units of the mean distance from it.
  const scale = ternary ? core.quantizeWeights(quantizer, w, new Int8Array(w.length)) : w.reduce((sum, x) => sum + Math.abs(x - shift), 0) / w.length;
  return { scale: scale || 1, shift, thresholds: ternary ? [-0.5, 0.5] : [0] };
}

function measured(core: Core, name: string, latent: Tensor, quantizer: Exclude<Quantizer, "none">): MatrixThresholds {
  const { data } = latent;
  const { scale, shift, thresholds } = rule(core, data, quantizer);
  const distances = new Float32Array(data.length);
  const histogram = new Int32Array(THRESHOLD_BINS);
  const near = THRESHOLD_MARGINS.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    const x = (data[i] - shift) / scale;
    distances[i] = Math.abs(fromNearest(x, thresholds));
    for (let k = 0; k < near.length; k++) if (distances[i] < THRESHOLD_MARGINS[k]) near[k]++;
    histogram[Math.min(THRESHOLD_BINS - 1, Math.max(0, Math.floor(((x + 3) / 6) * THRESHOLD_BINS)))]++;
  }
  return { name, scale, shift, thresholds, near: near.map((n) => n / data.length), median: medianOf(distances), histogram };
}

/** The upper median of numbers that are not negative, without sorting them all: only those of the bin that holds it. */
function medianOf(x: Float32Array): number {
  let top = 0;
  for (let i = 0; i < x.length; i++) if (x[i] > top) top = x[i];
  if (top === 0) return 0;
  const bins = new Int32Array(4096);
  const binOf = (value: number): number => Math.min(bins.length - 1, Math.floor((value / top) * bins.length));
  for (let i = 0; i < x.length; i++) bins[binOf(x[i])]++;
  let [bin, before] = [0, 0];
  for (const middle = Math.floor(x.length / 2); before + bins[bin] <= middle; bin++) before += bins[bin];
  return x.filter((value) => binOf(value) === bin).sort()[Math.floor(x.length / 2) - before];
}

/** x less the nearest threshold: one threshold, or two that stand symmetrically. */
function fromNearest(x: number, thresholds: readonly number[]): number {
  return x - (x < 0 ? thresholds[0] : thresholds[thresholds.length - 1]);
}
