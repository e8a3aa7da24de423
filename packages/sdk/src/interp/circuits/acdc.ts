/** Automatic circuit discovery: remove every edge that the output does not need. */
import { type Model, type Tensor, type Tokens, TritlensError } from "tritlens";
import {
  Circuit,
  CircuitRunner,
  type CircuitRunOptions,
  type CircuitWatch,
  type EdgeSet,
  type GraphEdge,
  isAbort,
  type MetricLike,
  type ModelGraph,
  metricValue,
  outDegrees,
  type Receiver,
  readLogits,
  requireSameGraph,
  toMetric,
  Work,
} from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link acdc}. */
export interface AcdcOptions extends CircuitRunOptions, CircuitWatch {
  /** An edge stays when the circuit is further from the model without it, by at least this much. */
  readonly threshold: number;
  /**
   * The distance is |metric(model) - metric(circuit)|; without a metric it is the Kullback-Leibler divergence of the circuit's next-token distribution from the model's, in nats, at the last
   * position, mean over the prompts.
   */
  readonly metric?: MetricLike;
  /** Where to begin; the whole model when left out. Of edges outside of it none is tried. */
  readonly start?: EdgeSet;
}

/** One decision. */
export interface AcdcStep {
  /** The edge. */
  readonly edge: string;
  /** How much further from the model the circuit is without it. */
  readonly change: number;
  /** Whether it stayed. */
  readonly kept: boolean;
}

/** What ACDC found. */
export class AcdcResult extends Result {
  /** The circuit; the score of an edge is the change that kept it there. */
  readonly circuit: Circuit;
  /** Decisions in order. Edges of nodes that nothing reads any more go without one. */
  readonly steps: readonly AcdcStep[];
  /** Distance of the circuit from the model. */
  readonly distance: number;
  /** False after an abort: the edges that were not tried are still in the circuit. */
  readonly complete: boolean;

  constructor(circuit: Circuit, steps: readonly AcdcStep[], distance: number, complete: boolean) {
    super();
    this.circuit = circuit;
    this.steps = steps;
    this.distance = distance;
    this.complete = complete;
  }

  /** The circuit as a graph. */
  chart(): Chart {
    return { ...this.circuit.chart(), title: `ACDC: ${this.circuit.size} edges, distance ${this.distance.toPrecision(3)}` };
  }
}

/**
 * ACDC (Conmy et al. 2023, arXiv 2304.14997, algorithm 1): goes through the nodes from the logits down and through the edges into each, latest sender first, and removes every edge whose removal
 * moves the output by less than the threshold. One decision depends on those before it; runs are nevertheless batched, on the guess that the next edges go, and the guesses behind an
 * edge that stays are thrown away. The result is that of one run after the other.
 *
 * Not for large models with many prompts: the number of runs is that of edges (32,491 in GPT-2 small). Rank edges with `eap` first and give the best of them as `start`.
 *
 * @param tokens - Prompts of one length.
 * @throws E_RANGE for a threshold below 0, E_SHAPE, E_MODE, E_MEMORY as {@link CircuitRunner}, E_NONFINITE, E_ABORTED.
 * @example
 * ```ts
 * const { circuit } = await acdc(model, clean, { corrupt, threshold: 0.01 });
 * console.log(circuit.edges.map((e) => e.name));
 * ```
 */
export async function acdc(model: Model, tokens: Tokens, options: AcdcOptions): Promise<AcdcResult> {
  requireThreshold(options.threshold);
  const runner = new CircuitRunner(model, tokens, options);
  const { graph } = runner;
  const first = options.start ?? Circuit.full(graph);
  requireSameGraph(graph, first.graph);
  const distances = distanceTo(runner, options.metric);
  const order = orderOf(first);
  const steps: AcdcStep[] = [];
  const scores = new Float32Array(graph.edges.length).fill(Number.NaN);
  let mask = first.mask;
  let distance = distances([mask])[0] as number;
  let [at, guesses] = [0, 1];
  try {
    const work = new Work("ACDC", order.length, options);
    while (at < order.length) {
      const { tries, end, next } = guess(graph, mask, order, at, guesses);
      const found = distances(tries.map((t) => t.mask));
      const changes = found.map((d, i) => d - (found[i - 1] ?? distance));
      const stays = changes.findIndex((change) => change >= options.threshold);
      const began = at;
      for (const [i, { edge }] of tries.slice(0, stays < 0 ? tries.length : stays + 1).entries())
        steps.push({ edge: (graph.edges[edge] as GraphEdge).id, change: changes[i] as number, kept: i === stays });
      if (stays < 0) {
        [mask, distance, at] = [end, found.at(-1) ?? distance, next];
      } else {
        const kept = tries[stays] as Try;
        scores[kept.edge] = changes[stays] as number;
        [mask, distance, at] = [kept.mask.with(kept.edge, 1), found[stays - 1] ?? distance, kept.next];
      }
      guesses = Math.min(runner.together, stays < 0 ? 2 * guesses : Math.max(1, stays));
      await work.done(at - began);
    }
  } catch (error) {
    if (!options.stopOnAbort || !isAbort(error)) throw error;
  }
  return new AcdcResult(new Circuit(graph, mask, scores), steps, distance, at === order.length);
}

function requireThreshold(threshold: number): void {
  if (threshold >= 0 && Number.isFinite(threshold)) return;
  throw new TritlensError("E_RANGE", "wrong threshold", { expected: "a finite number of at least 0", found: String(threshold) });
}

/** A circuit without one more edge. */
interface Try {
  /** The edge that was removed last. */
  readonly edge: number;
  /** What is left. */
  readonly mask: Uint8Array;
  /** Place in the order behind the edge. */
  readonly next: number;
}

/** The next circuits, if every edge goes. An edge into a node that nothing reads goes without being tried. */
function guess(
  graph: ModelGraph,
  mask: Uint8Array,
  order: readonly number[],
  at: number,
  count: number,
): { tries: Try[]; end: Uint8Array; next: number } {
  const left = mask.slice();
  const writes = outDegrees(graph, left);
  const places = new Map(graph.senders.map(({ id }, k) => [id, k]));
  const isRead = (node: string): boolean => node === "logits" || writes[places.get(node) as number] !== 0;
  const tries: Try[] = [];
  let next = at;
  while (next < order.length && tries.length < count) {
    const edge = order[next++] as number;
    const { sender, receiver } = graph.edges[edge] as GraphEdge;
    left[edge] = 0;
    writes[sender] = (writes[sender] as number) - 1;
    if ((graph.receivers[receiver] as Receiver).nodes.some(isRead)) tries.push({ edge, mask: left.slice(), next });
  }
  return { tries, end: left, next };
}

/** Edges of a circuit: from the logits down, latest sender first, which is the graph's order backwards. */
function orderOf({ mask }: EdgeSet): number[] {
  return Array.from(mask.keys())
    .filter((e) => mask[e])
    .reverse();
}

/** How far circuits are from the model. */
function distanceTo(runner: CircuitRunner, metric: MetricLike | undefined): (masks: readonly Uint8Array[]) => number[] {
  const run = (masks: readonly Uint8Array[]): Tensor[] => runner.logits(masks.map((m) => new Circuit(runner.graph, m)));
  const plain = runner.logits([Circuit.full(runner.graph)])[0] as Tensor;
  if (metric === undefined) {
    const expected = logProbs(plain);
    return (masks) => run(masks).map((logits) => divergence(expected, logProbs(logits)));
  }
  const whole = toMetric(metric);
  const value = (logits: Tensor): number => metricValue(whole, readLogits(whole, logits));
  const expected = value(plain);
  return (masks) => run(masks).map((logits) => Math.abs(expected - value(logits)));
}

/** Log-probabilities at the last position, one row a prompt. */
function logProbs(logits: Tensor): Float64Array[] {
  const last = logits.slice("pos", -1);
  const [batch, classes] = last.shape as unknown as [number, number];
  return Array.from({ length: batch }, (_, b) => {
    const row = Float64Array.from(last.data.subarray(b * classes, (b + 1) * classes));
    const top = row.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
    const total = top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
    return row.map((x) => x - total);
  });
}

/** Mean Kullback-Leibler divergence, in nats. @throws E_NONFINITE. */
function divergence(expected: readonly Float64Array[], found: readonly Float64Array[]): number {
  let sum = 0;
  for (const [b, p] of expected.entries()) for (const [c, x] of p.entries()) sum += Math.exp(x) * (x - ((found[b] as Float64Array)[c] as number));
  if (!Number.isFinite(sum))
    throw new TritlensError("E_NONFINITE", "the logits of a circuit are not finite", { expected: "finite logits", found: String(sum) });
  return sum / expected.length;
}
