/** Results of activation patching, and how they are drawn. */
import { type Model, stack, Tensor, type Tokens, toTokenRows, transpose } from "tritlens";
import { type Chart, type HeatmapChart, type Labels, Result } from "tritlens/plots";

/** Fields of an {@link ActivationPatch}. */
export interface ActivationPatchFields {
  /** Which activation was patched. */
  readonly activation: string;
  /** The metric of each patched run; NaN where an abort left one out. */
  readonly values: Tensor;
  /** The metric of the corrupted run. */
  readonly corrupt: number;
  /** Name of the metric. */
  readonly metric: string;
  /** Names of the positions. */
  readonly posLabels: readonly string[];
  /** Whether every patch was run. */
  readonly complete: boolean;
  /** The indices, when they were given one by one. */
  readonly indices?: readonly (readonly number[])[];
  /** What the numbers of an index are. */
  readonly indexAxes?: readonly string[];
}

/** Most heads whose patterns are drawn one by one. */
const MOST_PANELS = 12;
/** Axes of positions, under tritlens's and TransformerLens's names. */
const POSITIONS: ReadonlySet<string> = new Set(["pos", "query", "key", "dest_pos", "src_pos"]);

/** What activation patching found. Pictures show how far each patch moves the metric from the corrupted run. */
export class ActivationPatch extends Result {
  /** Which activation was patched: TransformerLens's short name. */
  readonly activation: string;
  /** The metric of each patched run, with the axes that were asked for; NaN where an abort left one out. */
  readonly values: Tensor;
  /** The metric of the corrupted run, without patches. */
  readonly corrupt: number;
  /** Name of the metric. */
  readonly metric: string;
  /** Names of the positions. */
  readonly posLabels: readonly string[];
  /** False when an abort ended the sweep before all patches were run. */
  readonly complete: boolean;
  /** The indices, when they were given one by one. */
  readonly indices?: readonly (readonly number[])[];
  /** What the numbers of an index are: `layer`, `pos`, ... */
  readonly indexAxes: readonly string[];

  constructor({ activation, values, corrupt, metric, posLabels, complete, indices, indexAxes }: ActivationPatchFields) {
    super();
    this.activation = activation;
    this.values = values;
    this.corrupt = corrupt;
    this.metric = metric;
    this.posLabels = posLabels;
    this.complete = complete;
    if (indices) this.indices = indices;
    this.indexAxes = indexAxes ?? values.axes;
  }

  /** Bars for one axis, a heat map for two, rows of heads over positions for three, and a heat map of each head that matters for four. */
  override chart(): Chart {
    const { axes } = this.values;
    const effect = Tensor.from(
      this.values.data.map((x) => x - this.corrupt),
      this.values.shape,
      axes,
    );
    const text = {
      title: `Patching ${this.activation}`,
      caption: `How far each patch moves the ${this.metric}, which is ${besides(this.corrupt, largest(effect))} without one.`,
    };
    if (axes.length === 1) {
      const [axis] = axes as [string];
      const x = this.indices ? { name: "patch", labels: this.indices.map((index) => this.#indexName(index)) } : this.#labels(axis, effect.size);
      return { kind: "bars", ...text, x, series: [{ name: this.activation, values: effect.data }], unit: this.metric };
    }
    if (axes.length === 2) return { ...this.#heatmap(effect), ...text };
    return this.#panels(byHead(effect), text);
  }

  #heatmap(effect: Tensor): HeatmapChart {
    const [y, x] = effect.axes.map((axis, i) => this.#labels(axis, effect.shape[i] as number)) as [Labels, Labels];
    return { kind: "heatmap", title: this.activation, values: effect.data, x, y, unit: this.metric };
  }

  /** A heat map for each entry of the first axis, those with the largest effects when there are many. */
  #panels(effect: Tensor, text: { title: string; caption?: string }): Chart {
    if (effect.axes.length === 2) return { ...this.#heatmap(effect), ...text };
    const [axis, count] = [effect.axes[0] as string, effect.shape[0] as number];
    const { labels } = this.#labels(axis, count);
    const parts = labels.map((title, i) => ({ title, part: effect.slice(0, i) })).map((p) => ({ ...p, size: largest(p.part) }));
    const shown = parts.toSorted((a, b) => b.size - a.size).slice(0, MOST_PANELS);
    const panels = parts.filter((p) => shown.includes(p)).map(({ title, part }) => this.#panels(part, { title }));
    const note = count > MOST_PANELS ? ` The ${MOST_PANELS} of ${count} with the largest effects.` : "";
    return { kind: "panels", title: text.title, caption: (text.caption ?? "") + note, panels, columns: 4 };
  }

  #indexName(index: readonly number[]): string {
    return this.indexAxes.map((axis, i) => `${axis} ${POSITIONS.has(axis) ? this.posLabels[index[i] as number] : index[i]}`).join(" ");
  }

  #labels(axis: string, count: number): Labels {
    const labels = Array.from({ length: count }, (_, i) => {
      if (POSITIONS.has(axis)) return this.posLabels[i] ?? String(i);
      return axis === "layer/head" ? headName(this.values, i) : String(i);
    });
    return { name: axis === "layer/head" ? "head" : axis.replace("_index", "").replace("_pos", " position"), labels };
  }
}

/** Several patches of the same runs: all kinds of a head's activations, or of a block's. */
export class ActivationPatchSet extends Result {
  /** Which activations, in order. */
  readonly types: readonly string[];
  /** One result for each. */
  readonly parts: readonly ActivationPatch[];
  /**
   * All of them, [patch_type, ...], as TransformerLens stacks them. Grouped-query attention has fewer heads for keys and values than for queries: places beyond them are NaN.
   */
  readonly values: Tensor;
  /** False when an abort ended the sweep before all patches were run. */
  readonly complete: boolean;
  /** What the set is called. */
  readonly title: string;

  constructor(title: string, parts: readonly ActivationPatch[], types: readonly string[]) {
    super();
    this.title = title;
    this.parts = parts;
    this.types = types;
    this.complete = parts.every((p) => p.complete);
    // Patterns come as [layer, head, dest_pos]; the others, and so the stack, as [layer, pos, head].
    const [first] = parts as [ActivationPatch];
    const { axes } = first.values;
    const tensors = parts.map(({ values }) => (values.axes.includes("dest_pos") ? transpose(values, ["layer", "dest_pos", "head"]) : values));
    const widest = first.values.shape.at(-1) as number;
    const even = tensors.map((t) => widened(t, widest)).map((t) => t.reshape(t.shape, axes));
    this.values = stack(even, "patch_type");
  }

  /** One chart for each kind, side by side. */
  override chart(): Chart {
    const panels = this.parts.map((part, i) => ({ ...part.chart(), title: this.types[i] as string, caption: "" }));
    return { kind: "panels", title: this.title, caption: this.parts[0]?.chart().caption ?? "", panels, columns: 3 };
  }
}

/**
 * Names of the positions of a run: `given`, or the texts of the tokens when there is one row and the model has a tokenizer, else numbers.
 */
export function positionLabels(model: Model, tokens: Tokens, given?: readonly string[]): string[] {
  const { batch, pos, data } = toTokenRows(tokens);
  const text = (i: number): string => given?.[i] ?? (batch === 1 ? model.tokenizer?.tokenText(data[i] as number) : undefined) ?? String(i);
  return Array.from({ length: pos }, (_, i) => text(i));
}

/** Layer and head as one axis, in front: [layer, pos, head] as [layer/head, pos]. */
function byHead(effect: Tensor): Tensor {
  const head = effect.axes.find((a) => a === "head" || a === "head_index");
  if (!effect.axes.includes("layer") || head === undefined) return effect;
  const rest = effect.axes.filter((a) => a !== "layer" && a !== head);
  const moved = transpose(effect, ["layer", head, ...rest]);
  const [layers, heads, ...others] = moved.shape as [number, number, ...number[]];
  return moved.reshape([layers * heads, ...others], ["layer/head", ...rest]);
}

function headName(values: Tensor, i: number): string {
  const k = values.axes.findIndex((a) => a === "head" || a === "head_index");
  const heads = values.shape[k] as number;
  return `L${Math.floor(i / heads)}H${i % heads}`;
}

/** The last axis made `width` long with NaN. */
function widened(t: Tensor, width: number): Tensor {
  const own = t.shape.at(-1) as number;
  if (own === width) return t;
  const out = new Float32Array((t.size / own) * width).fill(Number.NaN);
  for (let row = 0; row < t.size / own; row++) out.set(t.data.subarray(row * own, (row + 1) * own), row * width);
  return Tensor.from(out, t.shape.with(-1, width), t.axes);
}

/** A number beside others: what rounding left of 0 is 0. */
function besides(x: number, scale: number): string {
  return Math.abs(x) < 1e-5 * scale ? "0" : x.toPrecision(4);
}

function largest(t: Tensor): number {
  return t.data.reduce((m, x) => (Math.abs(x) > m ? Math.abs(x) : m), 0);
}
