/** Which activations carry the error of quantisation: exchanged between a model and its quantised form, site by site. */
import { type ActivationCache, type Box, type Model, Tensor, type Tokens, TritlensError, toTokenRows, type Variant } from "tritlens";
import { configOf, type Metric, type MetricLike, metricValue, toMetric, type WorkOptions } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link quantizationAttribution}. */
export interface QuantizationAttributionOptions extends WorkOptions {
  /** What is exchanged at a time: `components` (the default; each head's output and each MLP's), or the residual stream after each layer at each position (`resid`). */
  readonly granularity?: "components" | "resid";
  /** Most bytes of activations and logits at a time. */
  readonly budgetBytes?: number;
  /** Return what is done instead, with NaN for the rest and `complete: false`. */
  readonly stopOnAbort?: boolean;
}

/** What exchanging one activation does to the metric. */
export interface ExchangeEffect {
  /** Which activation: `L1 H4`, `L0 mlp`; or layer and position. */
  readonly label: string;
  /** Change of the full model's metric with the quantised activation in it. */
  readonly putIn: number;
  /** Change of the quantised model's metric with the full activation in it. */
  readonly takenOut: number;
}

/** What exchanging each activation does to the metric. */
export class QuantizationAttribution extends Result {
  /** Metric of the model in full precision. */
  readonly full: number;
  /** Metric of the quantised model. */
  readonly quantized: number;
  /** The full model with one activation of the quantised one, less `full`: quantisation put in. [layer, component] (heads, then the MLP), or [layer, pos]. */
  readonly putIn: Tensor;
  /** The quantised model with one activation of the full one, less `quantized`: quantisation taken out. Same shape. */
  readonly takenOut: Tensor;
  /** Names of the columns: `H0`, ..., `mlp`; or positions. */
  readonly columns: readonly string[];
  /** Name of the metric. */
  readonly metric: string;
  /** False when it was aborted. */
  readonly complete: boolean;
  /** Exchanges that were made. */
  readonly done: number;

  constructor(parts: Omit<QuantizationAttribution, keyof Result | "damage" | "repair" | "top">) {
    super();
    [this.full, this.quantized, this.putIn, this.takenOut] = [parts.full, parts.quantized, parts.putIn, parts.takenOut];
    [this.columns, this.metric, this.complete, this.done] = [parts.columns, parts.metric, parts.complete, parts.done];
  }

  /** `putIn` as a share of the whole change from full to quantised; NaN when quantising changes nothing. */
  damage(): Tensor {
    return this.#share(this.putIn, this.quantized - this.full);
  }

  /** `takenOut` as a share of the way back. */
  repair(): Tensor {
    return this.#share(this.takenOut, this.full - this.quantized);
  }

  /** The exchanges that change the metric most, by the larger of both directions. */
  top(count = 10): readonly ExchangeEffect[] {
    const [a, b] = [this.putIn.data, this.takenOut.data];
    const size = (i: number): number => Math.max(Math.abs(a[i]), Math.abs(b[i]));
    return Array.from(a.keys())
      .filter((i) => !Number.isNaN(size(i)))
      .sort((i, j) => size(j) - size(i))
      .slice(0, count)
      .map((i) => ({
        label: placeName(Math.floor(i / this.columns.length), this.columns[i % this.columns.length] as string),
        putIn: a[i],
        takenOut: b[i],
      }));
  }

  override chart(): Chart {
    const most = [...this.putIn.data, ...this.takenOut.data].reduce((top, x) => (Math.abs(x) > top ? Math.abs(x) : top), 0);
    const map = (title: string, values: Tensor): Chart => ({
      kind: "heatmap",
      title,
      values: values.data,
      y: { name: "layer", labels: Array.from({ length: values.shape[0] }, (_, i) => `${i}`) },
      x: { name: this.putIn.axes[1], labels: this.columns },
      ...(most > 0 ? { range: [-most, most] } : {}),
      unit: this.metric,
    });
    return {
      kind: "panels",
      title: `Where quantisation changes the ${this.metric}: ${this.full.toPrecision(4)} to ${this.quantized.toPrecision(4)}`,
      panels: [map("put into the full model", this.putIn), map("taken out of the quantised model", this.takenOut)],
    };
  }

  #share(values: Tensor, whole: number): Tensor {
    return Tensor.from(
      values.data.map((x) => (whole === 0 ? Number.NaN : x / whole)),
      values.shape,
      values.axes,
    );
  }
}

/**
 * Exchanges activations between a model and its quantised form on the same tokens, one at a time and in both directions. Where putting quantised activations in hurts and
 * taking them out heals, quantisation breaks the behaviour.
 *
 * An activation carries the errors of everything before it as well: for the error of one matrix alone see `matrixAttribution`.
 *
 * @param metric - Such as `logitDiff(answers, foils)`.
 * @param tokens - Prompts [batch, pos].
 * @returns `putIn` and `takenOut`, [layer, component] or [layer, pos].
 * @throws E_SHAPE when the models are of different sizes, E_NAME for an unknown granularity, E_SPEC for models of a bare Spec, E_ABORTED, E_NONFINITE; what the metric throws
 * passes through.
 * @example
 * ```ts
 * const { model: ternary } = await convertModel(dense, { format: "ternary", tokens: null });
 * const where = await quantizationAttribution(dense, ternary, tokens, logitDiff(5, 7));
 * where.top(3); // [{ label: "L1H4", putIn: -2.1, takenOut: 1.7 }, ...]
 * ```
 */
export async function quantizationAttribution(
  full: Model,
  quantized: Model,
  tokens: Tokens,
  metric: MetricLike,
  options: QuantizationAttributionOptions = {},
): Promise<QuantizationAttribution> {
  requireTwins(full, quantized);
  const measure = toMetric(metric);
  const { places, columns, axis } = exchanges(full, tokens, options.granularity ?? "components");
  const names = [...new Set(places.map(({ site }) => site))];
  const sweep = { measure, places, tokens, options, total: 2 * places.length, began: performance.now() };
  const into = await exchanged(full, quantized.runWithCache(tokens, { names }).cache, { ...sweep, before: 0 });
  const out = await exchanged(quantized, full.runWithCache(tokens, { names }).cache, { ...sweep, before: places.length });
  const shape = [places.length / columns.length, columns.length];
  const done = into.done + out.done;
  return new QuantizationAttribution({
    ...{ full: into.plain, quantized: out.plain, columns, metric: measure.name, done, complete: done === 2 * places.length },
    putIn: Tensor.from(into.effects, shape, ["layer", axis]),
    takenOut: Tensor.from(out.effects, shape, ["layer", axis]),
  });
}

/** @throws E_SHAPE unless activations of the one fit into the other. */
function requireTwins(full: Model, quantized: Model): void {
  const [a, b] = [configOf(full), configOf(quantized)];
  for (const key of ["nLayers", "nHeads", "dHead", "dModel", "dVocab", "dVocabOut"] as const)
    if (a[key] !== b[key]) throw new TritlensError("E_SHAPE", `the models differ in ${key}`, { expected: String(a[key]), found: String(b[key]) });
  if (a.attnOnly !== b.attnOnly)
    throw new TritlensError("E_SHAPE", "only one of the models has MLPs", { expected: `attnOnly: ${a.attnOnly}`, found: `attnOnly: ${b.attnOnly}` });
}

interface Place {
  readonly site: string;
  readonly at?: Box;
}

/** Row by row: layers, each with its columns. */
function exchanges(
  model: Model,
  tokens: Tokens,
  granularity: "components" | "resid",
): { places: Place[]; columns: string[]; axis: "component" | "pos" } {
  const { nLayers, nHeads, attnOnly } = configOf(model);
  const layers = Array.from({ length: nLayers }, (_, i) => i);
  if (granularity === "components") {
    const heads = Array.from({ length: nHeads }, (_, head) => head);
    const places = layers.flatMap((l): Place[] => [
      ...heads.map((head) => ({ site: `blocks.${l}.attn.hook_z`, at: { head } })),
      ...(attnOnly ? [] : [{ site: `blocks.${l}.hook_mlp_out` }]),
    ]);
    return { places, columns: [...heads.map((head) => `H${head}`), ...(attnOnly ? [] : ["mlp"])], axis: "component" };
  }
  if (granularity !== "resid")
    throw new TritlensError("E_NAME", "unknown granularity", { expected: "components or resid", found: String(granularity) });
  const positions = Array.from({ length: toTokenRows(tokens).pos }, (_, pos) => pos);
  const places = layers.flatMap((l) => positions.map((pos) => ({ site: `blocks.${l}.hook_resid_post`, at: { pos } })));
  return { places, columns: positions.map(String), axis: "pos" };
}

interface Exchange {
  readonly measure: Metric;
  readonly places: readonly Place[];
  readonly tokens: Tokens;
  readonly options: QuantizationAttributionOptions;
  readonly total: number;
  readonly before: number;
  readonly began: number;
}

/** Effects of activations of another run on a model's metric, and the metric without any. */
async function exchanged(
  model: Model,
  other: ActivationCache,
  { measure, places, tokens, options, total, before, began }: Exchange,
): Promise<{ plain: number; effects: Float32Array; done: number }> {
  const variants = places.map(({ site, at }): Variant => ({ edits: [[site, { kind: "patch", value: other.get(site), ...(at ? { at } : {}) }]] }));
  const effects = new Float32Array(places.length).fill(Number.NaN);
  const { signal, budgetBytes, onProgress, stopOnAbort } = options;
  let [plain, done] = [Number.NaN, 0];
  try {
    const limits = { ...(signal ? { signal } : {}), ...(budgetBytes === undefined ? {} : { budgetBytes }) };
    for await (const { index, logits } of model.sweep(tokens, variants, { ...measure.reads, ...limits })) {
      const value = metricValue(measure, logits);
      if (index < 0) plain = value;
      else {
        effects[index] = value - plain;
        done++;
        const secondsLeft = ((performance.now() - began) / 1000 / (before + done)) * (total - before - done);
        onProgress?.({ done: before + done, total, secondsLeft });
      }
    }
  } catch (error) {
    if (!(stopOnAbort && error instanceof TritlensError && error.code === "E_ABORTED")) throw error;
  }
  return { plain, effects, done };
}

/** `L1H4`, as everywhere, and `L1 mlp`. */
function placeName(layer: number, column: string): string {
  return /^H\d/.test(column) ? `L${layer}${column}` : `L${layer} ${column}`;
}
