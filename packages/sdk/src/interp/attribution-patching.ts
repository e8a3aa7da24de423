/** Attribution patching (Nanda 2023): the effect of every activation patch, estimated from two forward passes and one backward pass. */
import { type Model, type NameFilter, stack, sumOver, type Tensor, type Tokens, unknownName, zipTensors } from "tritlens";
import {
  type EapOptions,
  type EdgeScores,
  eap,
  type MetricLike,
  metricRun,
  type PatchInto,
  positionLabels,
  promptPair,
  toMetric,
} from "tritlens/interp";
import { type Chart, type HeatmapChart, Result } from "tritlens/plots";

/** What is scored when nothing else is asked for, in every block. */
const DEFAULT = /^blocks\.\d+\.(hook_(resid_pre|resid_mid|attn_out|mlp_out)|attn\.hook_(q|k|v|z|pattern))$/;

/** Options of {@link attributionPatch}. */
export interface AttributionOptions {
  /** `node` (the default): every activation; `edge`: every edge of the model's graph, which is {@link eap}. */
  readonly granularity?: "node" | "edge";
  /** The run whose gradient is taken and that is patched. `corrupted` (the default), as in activation patching: clean values are put into the corrupted run. */
  readonly into?: PatchInto;
  /** Names of the positions in pictures; the tokens' texts where the model has a tokenizer and there is one row, else numbers. */
  readonly labels?: readonly string[];
  /** Activations to score; residual stream, outputs of attention and MLP, q, k, v, z and pattern when left out. */
  readonly names?: NameFilter;
}

/**
 * Scores every element of an activation by (clean - corrupted) x gradient of the metric in the corrupted run: to first order, what the metric gains when that element is
 * patched. Sum over what is patched together: a head at all positions is the sum over `pos` and `d_head` of its `hook_z`.
 *
 * The estimate is poor where functions saturate (attention patterns near 0 or 1, the residual stream of the first blocks): see {@link atpStar}, {@link eapIg}, and check with
 * exact patching. Attribution patching (Nanda 2023).
 *
 * @param clean - Prompts [batch, pos].
 * @param corrupted - Prompts of the same size.
 * @param metric - A metric with a gradient, such as `logitDiff`.
 * @throws E_SHAPE for prompts of different sizes, E_MODE for a metric without a gradient, E_NAME for unknown activations, E_NONFINITE for a metric that is NaN.
 * @example
 * ```ts
 * const scores = attributionPatch(model, clean, corrupted, logitDiff(answer, foil));
 * scores.get("blocks.0.attn.hook_z");                // [batch, pos, head, d_head]
 * scores.summed("attn.hook_z", ["head"]);            // [layer, head]
 * ```
 */
export function attributionPatch(
  model: Model,
  clean: Tokens,
  corrupted: Tokens,
  metric: MetricLike,
  options: AttributionOptions & { readonly granularity: "edge" },
): EdgeScores;
/** Scores of activations, in the shapes of the activations; with `granularity: "edge"` those of edges, as {@link eap} gives them. Arguments and errors are the same. */
export function attributionPatch(
  model: Model,
  clean: Tokens,
  corrupted: Tokens,
  metric: MetricLike,
  options?: AttributionOptions & { readonly granularity?: "node" },
): NodeAttribution;
export function attributionPatch(
  model: Model,
  clean: Tokens,
  corrupted: Tokens,
  metric: MetricLike,
  { granularity = "node", into = "corrupted", names = DEFAULT, labels }: AttributionOptions = {},
): NodeAttribution | EdgeScores {
  if (granularity === "edge") return eap(model, clean, corrupted, metric, { into } satisfies EapOptions);
  if (granularity !== "node") throw unknownName("granularity", String(granularity), ["node", "edge"]);
  const { base, other } = promptPair(clean, corrupted, into);
  const run = metricRun(model, base, metric, { names });
  const patch = model.runWithCache(other, { names }).cache;
  const scores = patch
    .keys()
    .map((name): [string, Tensor] => [name, attribution(patch.get(name), run.cache.get(name), run.cache.get(`${name}_grad`))]);
  return new NodeAttribution(new Map(scores), toMetric(metric).name, positionLabels(model, base, labels));
}

/** (other - base) x grad; 0 where both runs have the same value, masked scores of attention (-inf) included. */
function attribution(other: Tensor, base: Tensor, grad: Tensor): Tensor {
  const delta = zipTensors(other, base, (x, y) => (x === y ? 0 : x - y));
  return zipTensors(delta, grad, (d, g) => (d === 0 ? 0 : d * g));
}

/** Scores of activations, element by element. Estimates of what patching each would add to the metric. */
export class NodeAttribution extends Result {
  /** Scores in the shapes of the activations, by canonical name, in firing order. */
  readonly scores: ReadonlyMap<string, Tensor>;
  /** What was measured. */
  readonly metric: string;
  /** Names of the positions. */
  readonly positions: readonly string[];

  constructor(scores: ReadonlyMap<string, Tensor>, metric: string, positions: readonly string[]) {
    super();
    this.scores = scores;
    this.metric = metric;
    this.positions = positions;
  }

  /** Scores of one activation. @throws E_NAME with the nearest names. */
  get(name: string): Tensor {
    const found = this.scores.get(name);
    if (found) return found;
    throw unknownName("scored activation", name, this.scores.keys());
  }

  /** One activation of all blocks, summed over every axis but `keep`: `summed("hook_resid_pre", ["pos"])` is [layer, pos]. @throws E_NAME. */
  summed(hook: string, keep: readonly string[]): Tensor {
    const blocks = [...this.scores].filter(([name]) => name.replace(/^blocks\.\d+\./, "") === hook && name.startsWith("blocks."));
    if (blocks.length === 0)
      throw unknownName("scored activation of the blocks", hook, new Set([...this.scores.keys()].map((n) => n.replace(/^blocks\.\d+\./, ""))));
    const [, first] = blocks[0] as [string, Tensor];
    const wrong = keep.find((axis) => !first.axes.includes(axis));
    if (wrong !== undefined) throw unknownName("axis", wrong, first.axes);
    return stack(
      blocks.map(([, t]) => t.axes.filter((axis) => !keep.includes(axis)).reduce(sumOver, t)),
      "layer",
    );
  }

  override chart(): Chart {
    const panels = [
      ...this.#panel("hook_resid_pre", "pos"),
      ...this.#panel("hook_attn_out", "pos"),
      ...this.#panel("hook_mlp_out", "pos"),
      ...this.#panel("attn.hook_z", "head"),
    ];
    const title = `Attribution patching: ${this.metric}`;
    if (panels.length > 0) return { kind: "panels", title, panels, columns: 2 };
    const total = (t: Tensor): number => t.data.reduce((s, x) => s + x, 0);
    const names = [...this.scores.keys()];
    return {
      kind: "bars",
      title,
      x: { name: "activation", labels: names },
      series: [{ name: this.metric, values: [...this.scores.values()].map(total) }],
    };
  }

  #panel(hook: string, axis: string): HeatmapChart[] {
    if (![...this.scores.keys()].some((name) => name.endsWith(`.${hook}`) && name.startsWith("blocks."))) return [];
    const values = this.summed(hook, [axis]);
    const [layers, columns] = values.shape as unknown as [number, number];
    const labels = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));
    return [
      {
        kind: "heatmap",
        title: hook.replace(/^(attn\.)?hook_/, ""),
        values: values.data,
        x: axis === "pos" ? { name: "position", labels: this.positions } : { name: axis, labels: labels(columns) },
        y: { name: "layer", labels: labels(layers) },
        unit: this.metric,
      },
    ];
  }
}
