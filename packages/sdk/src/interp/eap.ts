/** Edge attribution patching (Syed, Rager and Conmy 2023, arXiv 2310.10348): every edge scored from two forward passes and one backward pass. */
import { type ActivationCache, type Core, type Model, type Tokens, TritlensError } from "tritlens";
import {
  type Activations,
  EdgeScores,
  examplesOf,
  firstNonFinite,
  flippedMatrix,
  type MetricLike,
  type ModelGraph,
  metricRun,
  modelGraph,
  type PatchInto,
  promptPair,
  receiverGradients,
  receiverSites,
  senderOutputs,
  senderSites,
  toMetric,
} from "tritlens/interp";

/** Options of {@link eap}. */
export interface EapOptions {
  /** The run whose gradient is taken and that is patched: `clean` (the paper's, and the default) asks what corrupting an edge breaks, `corrupted` what restoring one repairs. */
  readonly into?: PatchInto;
  /** The model's graph, when it is at hand. */
  readonly graph?: ModelGraph;
}

/**
 * Scores every edge by (other run's sender - this run's sender) . gradient at the receiver's input: the change of the metric, to first order, when the edge carries the other
 * run's value. Sums over positions and examples.
 *
 * Where softmax or a norm saturates the gradient says little; {@link eapIg} averages it along the way from one prompt to the other, {@link exactEdgeScores} does not use it at
 * all. Edge attribution patching (Syed, Rager and Conmy 2023, arXiv 2310.10348): two forward passes and one backward pass.
 *
 * @param clean - Prompts [batch, pos].
 * @param corrupted - Prompts of the same size.
 * @param metric - A metric with a gradient, such as `logitDiff`.
 * @returns One score an edge of the graph, [edge].
 * @throws E_SHAPE for prompts of different sizes, E_MODE for a metric without a gradient, E_NONFINITE for a metric that is NaN, E_SPEC for a bare Spec.
 * @example
 * ```ts
 * const scores = eap(model, clean, corrupted, logitDiff(answer, foil));
 * scores.top(10);                       // [{ id: "a0.h3->a1.h0<k>", score: -0.31 }, ...]
 * ```
 */
export function eap(model: Model, clean: Tokens, corrupted: Tokens, metric: MetricLike, options: EapOptions = {}): EdgeScores {
  const { into = "clean", graph = modelGraph(model) } = options;
  const { base, other } = promptPair(clean, corrupted, into);
  const run = metricRun(model, base, metric, { names: [...senderSites(model, graph), ...receiverSites(graph)] });
  const scores = new Float32Array(graph.edges.length);
  addEdgeScores(model, graph, { gradients: run.cache, base: run.cache, other: otherCache(model, graph, other) }, scores);
  requireFinite(scores);
  return new EdgeScores(graph, scores, { method: "EAP", metric: toMetric(metric).name });
}

/**
 * The run that patches come from: what {@link senderOutputs} needs of it, [batch, pos, ...]. It stops behind the last block, because it needs no logits.
 *
 * @throws What `runWithCache` throws.
 */
export function otherCache(model: Model, graph: ModelGraph, tokens: Tokens): ActivationCache {
  return model.runWithCache(tokens, { names: senderSites(model, graph), stopAtLayer: graph.config.nLayers }).cache;
}

/** The runs that edges are scored from. */
export interface EdgeRuns {
  /** Kept {@link receiverSites} with gradients. */
  readonly gradients: Activations;
  /** Kept {@link senderSites}: the run that is patched. */
  readonly base: Activations;
  /** Kept {@link senderSites}: the run that patches come from. */
  readonly other: Activations;
}

/** Part of a graph, and how much it counts. */
export interface EdgeScoresPart {
  /** Factor of what is added (1). */
  readonly weight?: number;
  /** Senders [from, to) only. */
  readonly senders?: readonly [from: number, to: number];
  /** Examples at a time; as many as fit into 64 MB when left out. */
  readonly examples?: number;
}

/** Outputs of senders that are in memory at a time, in numbers (64 MB): large batches go through in parts. */
const PART = 1 << 24;

/**
 * Adds (other - base) . gradient of every edge to `scores`: the inner loop of {@link eap} and {@link eapIg}, for methods that choose their own gradients.
 *
 * @param runs - Three runs of one size, [batch, pos, ...] each.
 * @param scores - One number an edge of the graph, [edge]; added to in place.
 * @param part - Which senders, and how much they count.
 * @throws E_NAME for a cache that lacks an activation, E_MEMORY.
 */
export function addEdgeScores(model: Model, graph: ModelGraph, runs: EdgeRuns, scores: Float32Array, part: EdgeScoresPart = {}): void {
  const [batch, pos, width] = runs.base.get("hook_embed").shape as unknown as [number, number, number];
  const examples = part.examples ?? Math.max(1, Math.floor(PART / (graph.senders.length * pos * width)));
  for (let from = 0; from < batch; from += examples) {
    const cut = (run: Activations): Activations => examplesOf(run, from, Math.min(batch, from + examples));
    const delta = senderOutputs(model, graph, cut(runs.other), cut(runs.base)).data;
    addProducts(model, graph, delta, cut(runs.gradients), scores, part);
  }
}

/** Products of every receiver's gradient with its senders, [sender, row x d_model] . [row x d_model, receiver]. */
function addProducts(
  model: Model,
  graph: ModelGraph,
  delta: Float32Array,
  gradients: Activations,
  scores: Float32Array,
  { weight = 1, senders: [from, to] = [0, graph.senders.length] }: EdgeScoresPart,
): void {
  const size = delta.length / graph.senders.length;
  const room = new Float32Array((graph.config.nHeads + 2 * graph.config.nKeyValueHeads) * size);
  for (const { first, count, data } of receiverGradients(model, graph, gradients)) {
    const last = Math.min(to, graph.receivers[first]?.reads ?? 0);
    if (last <= from) continue;
    const turned = count === 1 ? data.subarray(0, size) : flippedMatrix(data, count, size, room);
    const products = product(model.core, delta.subarray(from * size, last * size), turned, last - from, size, count);
    for (let r = 0; r < count; r++) {
      // Edges of a receiver follow each other.
      const edge = graph.edgeAt(from, first + r) as number;
      for (let s = 0; s < last - from; s++) scores[edge + s] = (scores[edge + s] as number) + weight * (products[s * count + r] as number);
    }
  }
}

function product(core: Core, a: Float32Array, b: Float32Array, m: number, k: number, n: number): Float32Array {
  const out = new Float32Array(m * n);
  core.matmul(a, b, m, k, n, out);
  return out;
}

/** Checks scores, [edge]. @throws E_NONFINITE when a score is NaN or infinite. */
export function requireFinite(scores: Float32Array): void {
  const wrong = firstNonFinite(scores);
  if (wrong >= 0)
    throw new TritlensError("E_NONFINITE", "a score is not finite", { expected: "finite activations and gradients", found: String(scores[wrong]) });
}
