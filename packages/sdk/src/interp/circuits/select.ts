/** Circuits from scores: the best edges, the best edges that hang together, the best nodes. */
import { type Model, requireLength, type Tensor, TritlensError } from "tritlens";
import { Circuit, type ModelGraph, type Receiver } from "tritlens/interp";

/** A number for each edge of a graph, such as what `eap` returns. */
export interface ScoredEdges {
  /** The graph. */
  readonly graph: ModelGraph;
  /** One an edge, in the order of `graph.edges`. */
  readonly scores: Tensor;
}

/** How edges are chosen. */
export interface SelectOptions {
  /** Rank by size (`true`, the default), or by value: negative scores last. */
  readonly absolute?: boolean;
  /** Drop dead ends afterwards (`true`, the default); see {@link Circuit.pruned}. */
  readonly prune?: boolean;
}

/**
 * The `count` edges with the largest scores (EAP-IG's `apply_topn`). Without dead ends there may be fewer.
 *
 * Edges without a score (NaN) are never taken.
 *
 * Single strong edges may lead nowhere: see {@link greedyEdges}.
 *
 * @throws E_RANGE for a count outside of the graph, E_SHAPE for scores of another graph.
 */
export function topEdges(scored: ScoredEdges, count: number, options: SelectOptions = {}): Circuit {
  const { graph, scores } = scored;
  const mask = new Uint8Array(graph.edges.length);
  for (const edge of ranked(scored, count, options).slice(0, count)) mask[edge] = 1;
  return finished(new Circuit(graph, mask, scores.data), options);
}

/**
 * Grows a circuit from the logits: again and again the edge with the largest score among those that lead into a node of the circuit (Hanna et al. 2024, EAP-IG's `apply_greedy`). Every edge of
 * it leads to the logits, so it needs fewer edges than {@link topEdges} for the same behaviour where single strong edges lead nowhere.
 *
 * Edges without a score (NaN) are never taken.
 *
 * @throws E_RANGE for a count outside of the graph, E_SHAPE for scores of another graph.
 */
export function greedyEdges(scored: ScoredEdges, count: number, options: SelectOptions = {}): Circuit {
  const { graph, scores } = scored;
  const order = ranked(scored, count, options);
  const best = new Int32Array(graph.edges.length).fill(order.length);
  for (const [rank, edge] of order.entries()) best[edge] = rank;
  const mask = new Uint8Array(graph.edges.length);
  const { edges, receivers, senders } = graph;
  const open = new Set(["logits"]);
  let next = 0;
  for (let taken = 0; taken < count && next < order.length; ) {
    const edge = order[next++] as number;
    const { sender, receiver } = edges[edge] as (typeof edges)[number];
    if (mask[edge] || !(receivers[receiver] as Receiver).nodes.some((node) => open.has(node))) continue;
    mask[edge] = 1;
    taken++;
    const from = senders[sender]?.id as string;
    if (open.has(from)) continue;
    open.add(from);
    // Edges into the new node may rank before the place where the search stands.
    for (const [i, e] of edges.entries()) if (receivers[e.receiver]?.nodes.includes(from)) next = Math.min(next, best[i] as number);
  }
  return finished(new Circuit(graph, mask, scores.data), options);
}

/**
 * The circuit of the `count` nodes with the largest scores, beside input and logits, with all edges between them.
 *
 * Takes in every edge between its nodes, used or not; scores of edges give smaller circuits ({@link topEdges}, {@link greedyEdges}).
 *
 * @param scores - By node name: `a0.h1`, `m0`.
 * @throws E_NAME for a node that the model does not have, E_RANGE for a count that is no count.
 */
export function topNodes(
  of: Model | ModelGraph,
  scores: ReadonlyMap<string, number>,
  count: number,
  { absolute = true, prune = true }: SelectOptions = {},
): Circuit {
  const inner = [...scores].filter(([name, score]) => name !== "input" && name !== "logits" && !Number.isNaN(score));
  requireCount(count, inner.length);
  const size = ([, score]: readonly [string, number]): number => (absolute ? Math.abs(score) : score);
  const best = inner.sort((a, b) => size(b) - size(a)).slice(0, count);
  return finished(
    Circuit.fromNodes(
      of,
      best.map(([name]) => name),
    ),
    { prune },
  );
}

/** Edges from the best to the worst; equal ones in the graph's order, those without a score not at all. */
function ranked({ graph, scores }: ScoredEdges, count: number, { absolute = true }: SelectOptions): number[] {
  requireLength("the scores", graph.edges.length, scores.size);
  requireCount(count, scores.size);
  const size = absolute ? scores.data.map(Math.abs) : scores.data;
  const known = Array.from(size.keys()).filter((i) => !Number.isNaN(size[i]));
  return known.sort((a, b) => (size[b] as number) - (size[a] as number) || a - b);
}

function finished(circuit: Circuit, { prune = true }: SelectOptions): Circuit {
  return prune ? circuit.pruned() : circuit;
}

function requireCount(count: number, most: number): void {
  if (Number.isInteger(count) && count >= 0 && count <= most) return;
  throw new TritlensError("E_RANGE", "wrong size of a circuit", { expected: `an integer in [0, ${most}]`, found: String(count) });
}
