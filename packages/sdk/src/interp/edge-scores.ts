/** Scores of all edges of a model's graph, whichever method gave them. */
import { Tensor, TritlensError } from "tritlens";
import { type ModelGraph, spearman } from "tritlens/interp";
import { type GraphChart, Result, type ScatterChart } from "tritlens/plots";

/** What is known beside the numbers. */
export interface EdgeScoresInfo {
  /** `EAP`, `EAP-IG (inputs)`, `exact`, ... */
  readonly method: string;
  /** Name of the metric. */
  readonly metric: string;
  /** False when it was aborted: the scores of the other edges are NaN. */
  readonly complete?: boolean;
}

/** An edge with its score. */
export interface ScoredEdge {
  /** `a0.h3->a1.h0<q>`. */
  readonly id: string;
  /** Change of the metric when the edge is patched (for gradient methods, the estimate of it). */
  readonly score: number;
}

/** Edges that the picture shows. */
const SHOWN = 40;

/** Scores of edges: how much the metric changes when an edge carries the other run's value. */
export class EdgeScores extends Result {
  /** The graph the edges belong to. */
  readonly graph: ModelGraph;
  /** One number an edge, in the order of `graph.edges`; NaN where it is not known. [edge] */
  readonly scores: Tensor;
  /** What gave the scores. */
  readonly method: string;
  /** What was measured. */
  readonly metric: string;
  /** Whether every edge that was asked for has a score. */
  readonly complete: boolean;

  constructor(graph: ModelGraph, scores: Float32Array, { method, metric, complete = true }: EdgeScoresInfo) {
    super();
    this.graph = graph;
    this.scores = Tensor.from(scores, [graph.edges.length], ["edge"]);
    this.method = method;
    this.metric = metric;
    this.complete = complete;
  }

  /** Score of one edge. @throws E_NAME with the nearest names. */
  get(id: string): number {
    return this.scores.data[this.graph.edgeIndex(id)] as number;
  }

  /** The edges with the largest scores by absolute value, largest first. @param count - How many; all of them when left out. */
  top(count: number = this.scores.size): ScoredEdge[] {
    const { data } = this.scores;
    const order = Array.from(data.keys()).filter((i) => !Number.isNaN(data[i]));
    order.sort((i, j) => Math.abs(data[j] as number) - Math.abs(data[i] as number));
    return order.slice(0, count).map((i) => ({ id: this.graph.edges[i]?.id ?? "", score: data[i] as number }));
  }

  /** [sender, receiver]; NaN where there is no edge. */
  matrix(): Tensor {
    const { senders, receivers, edges } = this.graph;
    const out = new Float32Array(senders.length * receivers.length).fill(Number.NaN);
    for (const [i, e] of edges.entries()) out[e.sender * receivers.length + e.receiver] = this.scores.data[i] as number;
    return Tensor.from(out, [senders.length, receivers.length], ["sender", "receiver"]);
  }

  /** How well these scores rank edges, judged by others on the same graph (exact patching). @throws E_SHAPE for another graph. */
  compare(exact: EdgeScores): ScoreComparison {
    return new ScoreComparison(this, exact);
  }

  override chart(): GraphChart {
    const edges = this.top(SHOWN).map(({ id, score }) => {
      const { sender, receiver } = this.graph.edge(id);
      const to = this.graph.receivers[receiver];
      return { from: this.graph.senders[sender]?.id ?? "", to: to?.nodes[0] ?? "", score, label: to?.id ?? "" };
    });
    const used = new Set(edges.flatMap((e) => [e.from, e.to]));
    const level = (kind: string, layer: number): number => 2 * layer + (kind === "mlp" ? 2 : 1);
    return {
      kind: "graph",
      title: `${this.method}: edges`,
      caption: `The ${edges.length} edges with the largest effect on the ${this.metric}, of ${this.scores.size}.`,
      nodes: this.graph.nodes
        .filter((n) => used.has(n.id))
        .map((n) => ({ id: n.id, label: n.id, layer: n.kind === "input" ? 0 : level(n.kind, n.layer), group: n.kind })),
      edges,
    };
  }

  override toString(): string {
    const rows = this.top(10).map(({ id, score }) => `  ${id.padEnd(24)} ${score.toPrecision(4)}`);
    return [`${this.method}: ${this.scores.size} edges, effect on the ${this.metric}${this.complete ? "" : " (not complete)"}`, ...rows].join("\n");
  }
}

/** Estimated scores beside exact ones. */
export class ScoreComparison extends Result {
  /** The scores that are judged. */
  readonly estimate: EdgeScores;
  /** The scores that judge. */
  readonly exact: EdgeScores;
  /** Spearman's rank correlation over the edges that both know. */
  readonly rankCorrelation: number;
  /** The same of absolute values: what matters for picking edges. */
  readonly absoluteRankCorrelation: number;
  /** Edges that both know. */
  readonly edges: number;

  constructor(estimate: EdgeScores, exact: EdgeScores) {
    super();
    if (estimate.scores.size !== exact.scores.size)
      throw new TritlensError("E_SHAPE", "the scores belong to different graphs", {
        expected: `${estimate.scores.size} edges`,
        found: `${exact.scores.size}`,
      });
    this.estimate = estimate;
    this.exact = exact;
    const [a, b] = [estimate.scores.data, exact.scores.data];
    this.rankCorrelation = spearman(a, b);
    this.absoluteRankCorrelation = spearman(a.map(Math.abs), b.map(Math.abs));
    this.edges = a.reduce((n, x, i) => n + (Number.isNaN(x) || Number.isNaN(b[i]) ? 0 : 1), 0);
  }

  override chart(): ScatterChart {
    const [a, b] = [this.estimate.scores.data, this.exact.scores.data];
    const points = this.estimate.graph.edges.flatMap(({ id }, i) =>
      Number.isNaN(a[i]) || Number.isNaN(b[i]) ? [] : [{ x: b[i] as number, y: a[i] as number, label: id }],
    );
    return {
      kind: "scatter",
      title: `${this.estimate.method} against ${this.exact.method}`,
      caption: `${this.edges} edges; rank correlation ${this.rankCorrelation.toFixed(3)}.`,
      points,
      xName: this.exact.method,
      yName: this.estimate.method,
      diagonal: true,
    };
  }

  override toString(): string {
    const { estimate, exact, edges } = this;
    const ranks = `rank correlation ${this.rankCorrelation.toFixed(3)} (of absolute values ${this.absoluteRankCorrelation.toFixed(3)})`;
    return `${estimate.method} against ${exact.method}: ${ranks} over ${edges} edges`;
  }
}
