/** EAP with integrated gradients (Hanna, Pezzelle and Belinkov 2024, arXiv 2403.17806): gradients averaged along the way from one prompt to the other, which saturation does not hide. */
import { type ActivationCache, type Hook, type Model, type Tensor, type Tokens, TritlensError, unknownName, zipTensors } from "tritlens";
import {
  addEdgeScores,
  EdgeScores,
  type MetricLike,
  type ModelGraph,
  metricRun,
  modelGraph,
  type PatchInto,
  promptPair,
  receiverSites,
  requireFinite,
  senderSites,
  toMetric,
  Work,
  type WorkOptions,
} from "tritlens/interp";

/** Options of {@link eapIg}. */
export interface EapIgOptions extends WorkOptions {
  /** What is interpolated: the embedding of the prompt (`inputs`, the default), or the output of every attention and MLP on its own (`activations`), which costs 2 x layers + 1 times as much. */
  readonly variant?: "inputs" | "activations";
  /** Points along the way (5). One point is plain EAP. */
  readonly steps?: number;
  /** The run that the way ends in, see `eap` (`clean`). */
  readonly into?: PatchInto;
  /** The model's graph, when it is at hand. */
  readonly graph?: ModelGraph;
}

/** A group of senders that one way moves, and the activations that are moved. */
interface Way {
  readonly senders: readonly [from: number, to: number];
  readonly sites: readonly string[];
}

/**
 * Scores every edge as `eap` does, with the mean of the gradients at `steps` points between both runs: other + k / steps x (base - other), k = 1 ... steps. EAP with
 * integrated gradients (Hanna, Pezzelle and Belinkov 2024, arXiv 2403.17806).
 *
 * Saturated softmaxes and norms hide less from it than from {@link eap}, at `steps` times the cost. Still an estimate: check the best edges with {@link exactEdgeScores}.
 *
 * @param clean - Prompts [batch, pos].
 * @param corrupted - Prompts of the same size.
 * @param metric - A metric with a gradient.
 * @returns One score an edge of the graph, [edge].
 * @throws What `eap` throws; E_NAME for an unknown variant, E_RANGE for a number of steps below 1, E_ABORTED.
 */
export async function eapIg(model: Model, clean: Tokens, corrupted: Tokens, metric: MetricLike, options: EapIgOptions = {}): Promise<EdgeScores> {
  const { variant = "inputs", steps = 5, into = "clean", graph = modelGraph(model), ...work } = options;
  if (variant !== "inputs" && variant !== "activations") throw unknownName("variant of EAP-IG", String(variant), ["inputs", "activations"]);
  const points = pointsOf(steps);
  const { base, other } = promptPair(clean, corrupted, into);
  const ways = variant === "inputs" ? [inputs(graph)] : activations(graph);
  const names = [...new Set([...senderSites(model, graph), ...ways.flatMap((way) => way.sites)])];
  const ends = [base, other].map((tokens) => model.runWithCache(tokens, { names, stopAtLayer: graph.config.nLayers }).cache) as [
    ActivationCache,
    ActivationCache,
  ];
  const scores = new Float32Array(graph.edges.length);
  const pass = new Work("EAP-IG", ways.length * steps, work);
  for (const { sites, senders } of ways)
    for (const point of points) {
      const hooks = sites.map((site): Hook => [site, { kind: "set", value: between(ends[1].get(site), ends[0].get(site), point) }]);
      const { cache } = metricRun(model, base, metric, { names: receiverSites(graph), hooks });
      addEdgeScores(model, graph, { gradients: cache, base: ends[0], other: ends[1] }, scores, { weight: 1 / steps, senders });
      await pass.done();
    }
  requireFinite(scores);
  return new EdgeScores(graph, scores, { method: `EAP-IG (${variant}, ${steps} steps)`, metric: toMetric(metric).name });
}

/** One way for all senders: the embedding moves. Positions are the same in both runs. */
function inputs(graph: ModelGraph): Way {
  return { senders: [0, graph.senders.length], sites: ["hook_embed"] };
}

/** One way for the input, one for the heads of every block, one for every MLP. */
function activations(graph: ModelGraph): Way[] {
  const ways: Way[] = [{ senders: [0, 1], sites: ["hook_embed"] }];
  for (const [i, { kind, layer, head }] of graph.senders.entries()) {
    if (kind === "head" && head === 0) ways.push({ senders: [i, i + graph.config.nHeads], sites: [`blocks.${layer}.hook_attn_out`] });
    if (kind === "mlp") ways.push({ senders: [i, i + 1], sites: [`blocks.${layer}.hook_mlp_out`] });
  }
  return ways;
}

function pointsOf(steps: number): number[] {
  if (Number.isInteger(steps) && steps >= 1) return Array.from({ length: steps }, (_, k) => (k + 1) / steps);
  throw new TritlensError("E_RANGE", "wrong number of steps", { expected: "an integer of at least 1", found: String(steps) });
}

/** other + point x (base - other). */
function between(other: Tensor, base: Tensor, point: number): Tensor {
  return zipTensors(other, base, (x, y) => x + point * (y - x));
}
