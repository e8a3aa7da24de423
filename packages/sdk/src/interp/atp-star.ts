/** AtP* (Kramár et al. 2024, arXiv 2403.00745): attribution patching of heads and MLPs that neither saturated attention nor cancelling gradients lead astray. */
import {
  type ActivationCache,
  type GradHook,
  type Model,
  mapTensor,
  stack,
  sumOver,
  type Tensor,
  type Tokens,
  type TransformerConfig,
  TritlensError,
  transpose,
  unknownName,
  zipTensors,
} from "tritlens";
import {
  attentionFix,
  attentionSites,
  configOf,
  type MetricLike,
  metricRun,
  type PatchInto,
  positionLabels,
  promptPair,
  toMetric,
  Work,
  type WorkOptions,
} from "tritlens/interp";
import { type PanelsChart, Result } from "tritlens/plots";

/** Options of {@link atpStar}. */
export interface AtpStarOptions extends WorkOptions {
  /** The run that is linearised and patched, as in `attributionPatch` (`corrupted`). */
  readonly into?: PatchInto;
  /** Names of the positions in pictures; the tokens' texts where the model has a tokenizer and there is one row, else numbers. */
  readonly labels?: readonly string[];
  /** Recompute the softmax for patched queries and keys instead of linearising it (on). */
  readonly qkFix?: boolean;
  /** Average absolute scores over backward passes that leave out one block each, so that direct and indirect effects cannot cancel (on in models of two blocks or more). */
  readonly gradDrop?: boolean;
}

/** Nodes by kind. */
export type AtpStarKind = "q" | "k" | "v" | "z" | "mlp";

/**
 * Scores queries, keys, values and outputs of heads, and outputs of MLPs, each at each position. With `gradDrop` scores have no sign and take one backward pass a block;
 * without, one in all.
 *
 * AtP* (Kramár et al. 2024, arXiv 2403.00745). Scores stay estimates, and say nothing about edges: take {@link eap} for those, and patch the nodes at the top exactly before
 * building on them.
 *
 * @param clean - Prompts [batch, pos].
 * @param corrupted - Prompts of the same size.
 * @param metric - A metric with a gradient.
 * @returns Scores of `q`, `k`, `v` and `z`, [layer, head, pos], and of `mlp`, [layer, pos].
 * @throws E_SHAPE for prompts of different sizes, E_MODE for a metric without a gradient or `gradDrop` with a single block, E_NONFINITE, E_SPEC for a bare Spec, E_ABORTED.
 */
export async function atpStar(
  model: Model,
  clean: Tokens,
  corrupted: Tokens,
  metric: MetricLike,
  options: AtpStarOptions = {},
): Promise<AtpStarScores> {
  const c = configOf(model);
  const { into = "corrupted", qkFix = true, gradDrop = c.nLayers > 1, labels, ...work } = options;
  if (gradDrop && c.nLayers < 2)
    throw new TritlensError("E_MODE", "GradDrop leaves out one block at a time", { expected: "at least two blocks", found: String(c.nLayers) });
  const { base, other } = promptPair(clean, corrupted, into);
  const names = sitesOf(c);
  const patch = model.runWithCache(other, { names, stopAtLayer: c.nLayers }).cache;
  const drops = gradDrop ? Array.from({ length: c.nLayers }, (_, layer) => dropped(c, layer)) : [[]];
  const sums = new Map<AtpStarKind, Tensor>();
  const pass = new Work("AtP*", drops.length, work);
  for (const gradHooks of drops) {
    const { cache } = metricRun(model, base, metric, { names, gradHooks });
    for (const [kind, scores] of scoresOf(model, c, cache, patch, qkFix)) {
      const part = gradDrop ? mapTensor(scores, (x) => Math.abs(x) / (c.nLayers - 1)) : scores;
      const known = sums.get(kind);
      sums.set(kind, known ? zipTensors(known, part, (x, y) => x + y) : part);
    }
    await pass.done();
  }
  return new AtpStarScores(sums, { metric: toMetric(metric).name, gradDrop, positions: positionLabels(model, base, labels) });
}

function sitesOf(c: TransformerConfig): string[] {
  return Array.from({ length: c.nLayers }, (_, layer) => [
    ...attentionSites(c, layer),
    ...["q", "k", "v", "z"].map((x) => `blocks.${layer}.attn.hook_${x}`),
    ...(c.attnOnly ? [] : [`blocks.${layer}.hook_mlp_out`]),
  ]).flat();
}

/** Nothing flows back through one block's attention and MLP. */
function dropped(c: TransformerConfig, layer: number): GradHook[] {
  const outputs = [`blocks.${layer}.hook_attn_out`, ...(c.attnOnly ? [] : [`blocks.${layer}.hook_mlp_out`])];
  return [[outputs, (grad) => void grad.data.fill(0)]];
}

/** Signed scores of one backward pass: [layer, head, pos], of MLPs [layer, pos]. */
function scoresOf(model: Model, c: TransformerConfig, cache: ActivationCache, patch: ActivationCache, qkFix: boolean): Map<AtpStarKind, Tensor> {
  const layers = Array.from({ length: c.nLayers }, (_, layer) => layer);
  const linear = (hook: string): Tensor => stackLayers(layers.map((layer) => linearScores(`blocks.${layer}.${hook}`, cache, patch)));
  const out = new Map<AtpStarKind, Tensor>();
  if (qkFix) {
    const fixed = layers.map((layer) => attentionFix(model, c, layer, cache, patch));
    out.set("q", stackLayers(fixed.map((f) => f.q)));
    out.set("k", stackLayers(fixed.map((f) => f.k)));
  } else for (const kind of ["q", "k"] as const) out.set(kind, linear(`attn.hook_${kind}`));
  for (const kind of ["v", "z"] as const) out.set(kind, linear(`attn.hook_${kind}`));
  if (!c.attnOnly) out.set("mlp", linear("hook_mlp_out"));
  return out;
}

/** (other - base) . grad of every head and position, [head, pos]; of vectors without heads [pos]. */
function linearScores(name: string, cache: ActivationCache, patch: ActivationCache): Tensor {
  const delta = zipTensors(patch.get(name), cache.get(name), (x, y) => x - y);
  const products = zipTensors(delta, cache.get(`${name}_grad`), (d, g) => d * g);
  const byPlace = sumOver(sumOver(products, "batch"), products.axes.at(-1) as string);
  return byPlace.axes.includes("head") ? transpose(byPlace, ["head", "pos"]) : byPlace;
}

function stackLayers(parts: readonly Tensor[]): Tensor {
  return stack(parts, "layer");
}

/** What is known beside the numbers. */
export interface AtpStarInfo {
  /** Name of the metric. */
  readonly metric: string;
  /** Whether GradDrop was used. */
  readonly gradDrop: boolean;
  /** Names of the positions. */
  readonly positions: readonly string[];
}

/** Scores of nodes. */
export class AtpStarScores extends Result {
  /** By kind: `q`, `k`, `v` and `z` are [layer, head, pos] (keys and values by their own heads), `mlp` is [layer, pos]. */
  readonly scores: ReadonlyMap<AtpStarKind, Tensor>;
  /** What was measured. */
  readonly metric: string;
  /** Scores are absolute ones, averaged over GradDrop's passes. */
  readonly gradDrop: boolean;
  /** Names of the positions. */
  readonly positions: readonly string[];

  constructor(scores: ReadonlyMap<AtpStarKind, Tensor>, { metric, gradDrop, positions }: AtpStarInfo) {
    super();
    this.scores = scores;
    this.metric = metric;
    this.gradDrop = gradDrop;
    this.positions = positions;
  }

  /** Scores of one kind of node. @throws E_NAME when the model has none (`mlp` of attention-only models). */
  get(kind: AtpStarKind): Tensor {
    const found = this.scores.get(kind);
    if (found) return found;
    throw unknownName("kind of node", String(kind), this.scores.keys());
  }

  override chart(): PanelsChart {
    const labels = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));
    const panels = [...this.scores].map(([kind, t]) => {
      const values = t.axes.includes("head") ? sumOver(t, "pos") : t;
      const [layers, columns] = values.shape as unknown as [number, number];
      return {
        kind: "heatmap" as const,
        title: kind,
        values: values.data,
        x: values.axes[1] === "pos" ? { name: "position", labels: this.positions } : { name: "head", labels: labels(columns) },
        y: { name: "layer", labels: labels(layers) },
        scale: this.gradDrop ? ("sequential" as const) : ("diverging" as const),
        unit: this.metric,
      };
    });
    return { kind: "panels", title: `AtP*: ${this.metric}`, panels, columns: 3 };
  }
}
