/** What quantising each matrix by itself does: one matrix quantised in a full model, one matrix in full precision in a quantised one. */
import { Model, requireLength, type Tokens, TritlensError, unknownName } from "tritlens";
import { configOf, type Metric, type MetricLike, metricValue, readLogits, toMetric, Work, type WorkOptions } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link matrixAttribution}. */
export interface MatrixAttributionOptions extends WorkOptions {
  /** Matrices to exchange; all that differ when left out. */
  readonly names?: readonly string[];
}

/** What quantising one matrix alone does to the metric. */
export interface MatrixEffect {
  /** Name of the parameter. */
  readonly name: string;
  /** Change of the full model's metric with this matrix quantised. */
  readonly putIn: number;
  /** Change of the quantised model's metric with this matrix in full precision. */
  readonly takenOut: number;
}

/** What exchanging each matrix does to the metric. */
export class MatrixAttribution extends Result {
  /** Metric with all matrices in full precision. */
  readonly full: number;
  /** Metric with all matrices quantised, activations in full precision. */
  readonly quantized: number;
  /** Metric of the quantised model as it is: what is left of the difference is the quantisation of activations. */
  readonly asRun: number;
  /** Names of the matrices. */
  readonly names: readonly string[];
  /** The full model with one matrix quantised, less `full`, [matrix]. */
  readonly putIn: Float64Array;
  /** The quantised model with one matrix in full precision, less `quantized`, [matrix]. */
  readonly takenOut: Float64Array;
  /** Name of the metric. */
  readonly metric: string;

  constructor(parts: Omit<MatrixAttribution, keyof Result | "top">) {
    super();
    [this.full, this.quantized, this.asRun, this.metric] = [parts.full, parts.quantized, parts.asRun, parts.metric];
    [this.names, this.putIn, this.takenOut] = [parts.names, parts.putIn, parts.takenOut];
  }

  /** The matrices that change the metric most, by the larger of both directions. */
  top(count = 10): readonly MatrixEffect[] {
    return this.names
      .map((name, i) => ({ name, putIn: this.putIn[i], takenOut: this.takenOut[i] }))
      .sort((a, b) => Math.max(Math.abs(b.putIn), Math.abs(b.takenOut)) - Math.max(Math.abs(a.putIn), Math.abs(a.takenOut)))
      .slice(0, count);
  }

  override chart(): Chart {
    return {
      kind: "bars",
      title: `Matrices whose quantisation changes the ${this.metric}`,
      caption: `${this.full.toPrecision(4)} in full precision, ${this.quantized.toPrecision(4)} with quantised weights, ${this.asRun.toPrecision(4)} with quantised activations.`,
      x: { name: "matrix", labels: this.names.map((name) => name.replace(/^blocks\.(\d+)\.\w+\./, "L$1 ")) },
      series: [
        { name: "quantised alone", values: this.putIn },
        { name: "exact alone", values: this.takenOut },
      ],
      unit: this.metric,
    };
  }
}

/**
 * The share of each matrix in the error of quantisation, apart from what its inputs carry already: runs copies of the model in which one matrix is exchanged. Effects of single
 * matrices need not add up to the whole.
 *
 * @param full - The model in full precision.
 * @param quantized - Its quantised form: of the same config, latent or packed.
 * @throws E_SHAPE when the parameters differ, E_SPEC for models of a bare Spec, E_NAME for another matrix, E_ABORTED, E_NONFINITE; what the metric throws passes through.
 * @example
 * ```ts
 * const { top } = await matrixAttribution(dense, ternary, tokens, logitDiff(5, 7));
 * ```
 */
export async function matrixAttribution(
  full: Model,
  quantized: Model,
  tokens: Tokens,
  metric: MetricLike,
  options: MatrixAttributionOptions = {},
): Promise<MatrixAttribution> {
  const copy = denseCopy(full);
  try {
    return await exchanged(copy, full, quantized, tokens, toMetric(metric), options);
  } finally {
    copy.dispose();
  }
}

/** Fills the copy with one model and exchanges its matrices for the other's, both ways. */
async function exchanged(
  copy: Model,
  full: Model,
  quantized: Model,
  tokens: Tokens,
  measure: Metric,
  { names, ...options }: MatrixAttributionOptions,
): Promise<MatrixAttribution> {
  for (const name of names ?? []) if (!copy.paramNames.includes(name)) throw unknownName("parameter", name, copy.paramNames);
  const matrices = names ?? copy.paramNames.filter((name) => /\.W_\w+$/.test(name) && differ(full, quantized, name));
  const work = new Work("the attribution", 2 * matrices.length, options);
  const exchange = async (from: Model, to: Model): Promise<{ plain: number; effects: Float64Array }> => {
    for (const name of copy.paramNames) copy.writeParam(name, effective(from, name));
    const plain = measured(copy, tokens, measure);
    const effects = new Float64Array(matrices.length);
    for (const [i, name] of matrices.entries()) {
      copy.writeParam(name, effective(to, name));
      effects[i] = measured(copy, tokens, measure) - plain;
      copy.writeParam(name, effective(from, name));
      await work.done();
    }
    return { plain, effects };
  };
  const [into, out] = [await exchange(full, quantized), await exchange(quantized, full)];
  return new MatrixAttribution({
    ...{ full: into.plain, quantized: out.plain, asRun: measured(quantized, tokens, measure) },
    ...{ names: matrices, putIn: into.effects, takenOut: out.effects, metric: measure.name },
  });
}

/** A model in full precision of the same architecture, to be filled. */
function denseCopy(model: Model): Model {
  return Model.fromConfig({ ...configOf(model), quantizer: "none", actQuant: "none", stored: false }, { core: model.core });
}

/** @throws E_SHAPE when only one of the models has the parameter, or in another size. */
function differ(full: Model, quantized: Model, name: string): boolean {
  const [a, b] = [effective(full, name), effective(quantized, name)];
  requireLength(`parameter "${name}" of the quantised model`, a.length, b.length);
  return a.some((x, i) => x !== b[i]);
}

function effective(model: Model, name: string): Float32Array {
  if (model.paramNames.includes(name)) return model.effectiveParam(name).data;
  throw new TritlensError("E_SHAPE", "the models have different parameters", { expected: name, found: `${model.paramNames.length} others` });
}

function measured(model: Model, tokens: Tokens, metric: Metric): number {
  const logits = model.forward(tokens);
  const all = logits.shape.length === 3 ? logits : logits.reshape([logits.shape[0], 1, logits.shape[1]], ["batch", "pos", "class"]);
  return metricValue(metric, readLogits(metric, all));
}
