/** A circuit: some of the edges between the parts of a model. It can be run (all other edges ablated), stored, compared and drawn. */
import { type Model, type Tensor, type Tokens, TritlensError, transformerConfig } from "tritlens";
import {
  CircuitRunner,
  type CircuitRunOptions,
  type GraphNode,
  ModelGraph,
  modelGraph,
  type Receiver,
  type ViewerGraph,
  type ViewerOptions,
  viewerGraph,
} from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** An edge of a circuit. */
export interface CircuitEdge {
  /** `a0.h3->a1.h0<q>`. */
  readonly id: string;
  /** The node that writes: `a0.h3`. */
  readonly from: string;
  /** The input that reads: `a1.h0<q>`, `m1`, `logits`. */
  readonly to: string;
  /** What was measured of it, such as its EAP score; NaN when nothing was. */
  readonly score: number;
}

/** A node of a circuit. */
export interface CircuitNode extends GraphNode {
  /** Sum of the scores of the circuit's edges out of it; NaN where they have none. */
  readonly score: number;
}

/** What {@link Circuit.toJSON} writes. */
export interface CircuitJson {
  /** Always `tritlens-circuit`. */
  readonly format: "tritlens-circuit";
  /** Version of the format. */
  readonly version: 1;
  /** The parts of the model. */
  readonly graph: GraphShape;
  /** Ids of the edges, and their scores (null for none). */
  readonly edges: readonly (readonly [id: string, score: number | null])[];
}

/** What of a configuration decides which edges there are. */
export interface GraphShape {
  /** Blocks. */
  readonly nLayers: number;
  /** Heads a block. */
  readonly nHeads: number;
  /** Keys and values a block. */
  readonly nKeyValueHeads: number;
  /** No MLPs. */
  readonly attnOnly: boolean;
  /** MLPs read what attention reads. */
  readonly parallelAttnMlp: boolean;
}

/**
 * A set of edges of an {@link ModelGraph}. Circuits never change: every verb returns another one.
 *
 * @example
 * ```ts
 * const circuit = topEdges(await eap(model, clean, corrupt, metric), 50);
 * const logits = circuit.run(model, clean, { ablation: "resample", corrupt });
 * await writeFile("circuit.json", JSON.stringify(circuit));
 * ```
 */
export class Circuit extends Result {
  /** All nodes and edges of the model. */
  readonly graph: ModelGraph;
  /** 1 for every edge of the graph that is in the circuit, in the order of `graph.edges`. */
  readonly mask: Uint8Array;
  /** Score of every edge of the graph, in the same order; NaN for none. */
  readonly scores: Float32Array;

  /** @throws E_SHAPE when mask or scores do not have one entry an edge of the graph. */
  constructor(graph: ModelGraph, mask: ArrayLike<number>, scores?: ArrayLike<number>) {
    super();
    for (const [what, list] of [
      ["mask", mask],
      ["scores", scores],
    ] as const)
      if (list && list.length !== graph.edges.length)
        throw new TritlensError("E_SHAPE", `the ${what} of a circuit has one entry an edge`, {
          expected: `${graph.edges.length}`,
          found: `${list.length}`,
        });
    this.graph = graph;
    this.mask = Uint8Array.from(mask, (x) => (x ? 1 : 0));
    this.scores = scores ? Float32Array.from(scores) : new Float32Array(graph.edges.length).fill(Number.NaN);
  }

  /** Every edge of a model or graph. */
  static full(of: Model | ModelGraph, scores?: ArrayLike<number>): Circuit {
    const graph = graphOf(of);
    return new Circuit(graph, new Uint8Array(graph.edges.length).fill(1), scores);
  }

  /** No edge: everything ablated. */
  static empty(of: Model | ModelGraph): Circuit {
    const graph = graphOf(of);
    return new Circuit(graph, new Uint8Array(graph.edges.length));
  }

  /** These edges. @throws E_NAME, with the nearest ids. */
  static fromEdges(of: Model | ModelGraph, edges: Iterable<string>): Circuit {
    return Circuit.empty(of).with(edges);
  }

  /** All edges between these nodes; `input` and `logits` are always among them. @throws E_NAME, with the nearest ids. */
  static fromNodes(of: Model | ModelGraph, nodes: Iterable<string>): Circuit {
    const graph = graphOf(of);
    const kept = new Set(["input", "logits", ...nodes]);
    for (const id of kept) graph.node(id);
    return Circuit.full(graph).#between((id) => kept.has(id));
  }

  /** The edges of the circuit, in the graph's order. */
  get edges(): CircuitEdge[] {
    const { edges, senders, receivers } = this.graph;
    return edges.flatMap(({ id, sender, receiver }, i) => {
      if (!this.mask[i]) return [];
      return [{ id, from: senders[sender]?.id as string, to: receivers[receiver]?.id as string, score: this.scores[i] as number }];
    });
  }

  /** The nodes at the ends of the circuit's edges, in firing order; a key or value input belongs to every head that shares it. */
  get nodes(): CircuitNode[] {
    const sums = new Map<string, number>();
    for (const [i, { sender, receiver }] of this.graph.edges.entries()) {
      if (!this.mask[i]) continue;
      const from = this.graph.senders[sender]?.id as string;
      sums.set(from, (sums.get(from) ?? 0) + (this.scores[i] as number));
      for (const to of this.graph.receivers[receiver]?.nodes ?? []) if (!sums.has(to)) sums.set(to, 0);
    }
    const writes = outDegrees(this.graph, this.mask);
    return this.graph.nodes.flatMap((node, i) => {
      if (!sums.has(node.id)) return [];
      return [{ ...node, score: writes[i] ? (sums.get(node.id) as number) : Number.NaN }];
    });
  }

  /** Number of edges. */
  get size(): number {
    return this.mask.reduce((n, x) => n + x, 0);
  }

  /** Share of the graph's edges. */
  get density(): number {
    return this.size / this.mask.length;
  }

  /** Whether an edge is in the circuit. @throws E_NAME, with the nearest ids. */
  has(edge: string): boolean {
    return this.mask[this.graph.edgeIndex(edge)] === 1;
  }

  /** With these edges, too. @throws E_NAME, with the nearest ids. */
  with(edges: Iterable<string>): Circuit {
    return this.#changed(edges, 1);
  }

  /** Without these edges. @throws E_NAME, with the nearest ids. */
  without(edges: Iterable<string>): Circuit {
    return this.#changed(edges, 0);
  }

  /** Without the edges into and out of these nodes. @throws E_NAME, with the nearest ids. */
  withoutNodes(nodes: Iterable<string>): Circuit {
    const gone = new Set(nodes);
    for (const id of gone) this.graph.node(id);
    return this.#between((id) => !gone.has(id));
  }

  /** All edges that the circuit lacks. */
  complement(): Circuit {
    return new Circuit(
      this.graph,
      this.mask.map((x) => 1 - x),
      this.scores,
    );
  }

  /**
   * Without dead ends: edges out of nodes that nothing of the input reaches, and edges into nodes from which nothing reaches the logits. The logits of the run stay the same for dead ends
   * towards the logits always, for those from the input with resample ablation (an unreached node then computes what it computed in the corrupt run).
   */
  pruned(): Circuit {
    const { edges, senders, receivers } = this.graph;
    const nodesOf = (receiver: number): readonly string[] => (receivers[receiver] as Receiver).nodes;
    const idOf = (sender: number): string => senders[sender]?.id as string;
    // Edges lie in the order in which their receivers are computed, so one pass each way is enough.
    const reached = new Set(["input"]);
    for (const [i, { sender, receiver }] of edges.entries())
      if (this.mask[i] && reached.has(idOf(sender))) for (const node of nodesOf(receiver)) reached.add(node);
    const used = new Set(["logits"]);
    for (const [i, { sender, receiver }] of [...edges.entries()].reverse())
      if (this.mask[i] && nodesOf(receiver).some((node) => used.has(node))) used.add(idOf(sender));
    return this.#keep((i) => {
      const { sender, receiver } = edges[i] as (typeof edges)[number];
      return reached.has(idOf(sender)) && nodesOf(receiver).some((node) => used.has(node));
    });
  }

  /** Edges of both over edges of either (Jaccard): 1 for equal circuits. @throws E_SHAPE for circuits of different graphs. */
  overlap(other: Circuit): number {
    requireSameGraph(this.graph, other.graph);
    let [both, either] = [0, 0];
    for (const [i, x] of this.mask.entries()) {
      if (x && other.mask[i]) both++;
      if (x || other.mask[i]) either++;
    }
    return either === 0 ? 1 : both / either;
  }

  /**
   * Runs the circuit as a model: every edge outside of it carries the ablated value of its sender, all at once. The full circuit gives the model's logits, bit for bit.
   *
   * @returns Logits [batch, pos, class].
   * @throws As {@link CircuitRunner}, which is what to use for many circuits on the same tokens.
   */
  run(model: Model, tokens: Tokens, options: CircuitRunOptions = {}): Tensor {
    return new CircuitRunner(model, tokens, options).logits([this])[0] as Tensor;
  }

  /** The circuit as JSON; {@link Circuit.fromJSON} reads it. Scores of edges outside of the circuit are not kept. */
  toJSON(): CircuitJson {
    const edges = this.edges.map(({ id, score }) => [id, Number.isFinite(score) ? score : null] as const);
    return { format: "tritlens-circuit", version: 1, graph: shapeOf(this.graph), edges };
  }

  /** Reads what {@link Circuit.toJSON} wrote: text, or the parsed object. @throws E_FORMAT for anything else, E_NAME for an edge that its graph does not have. */
  static fromJSON(json: string | CircuitJson): Circuit {
    const { graph: shape, edges } = requireJson(typeof json === "string" ? parse(json) : json);
    // Sizes that no edge depends on are 1.
    const graph = new ModelGraph(transformerConfig({ ...shape, dModel: shape.nHeads, dHead: 1, nCtx: 1, dVocab: 1 }));
    const mask = new Uint8Array(graph.edges.length);
    const scores = new Float32Array(mask.length).fill(Number.NaN);
    for (const [id, score] of edges) {
      const i = graph.edgeIndex(id);
      mask[i] = 1;
      if (score !== null) scores[i] = score;
    }
    return new Circuit(graph, mask, scores);
  }

  /** The circuit in circuit-tracer's JSON, for its viewer and Neuronpedia's. See {@link viewerGraph}. */
  toViewer(options: ViewerOptions): ViewerGraph {
    return viewerGraph(this, options);
  }

  /** Nodes by layer, edges by score; the three inputs of a head share an arrow. */
  chart(): Chart {
    const joined = new Map<string, { from: string; to: string; score: number; label: string }>();
    for (const [i, { sender, receiver }] of this.graph.edges.entries()) {
      if (!this.mask[i]) continue;
      const from = this.graph.senders[sender]?.id as string;
      const { kind, nodes } = this.graph.receivers[receiver] as Receiver;
      const score = Number.isNaN(this.scores[i]) ? 0 : (this.scores[i] as number);
      for (const to of nodes) {
        const known = joined.get(`${from} ${to}`);
        const label = [known?.label ?? "", kind.length === 1 ? kind : ""].filter(Boolean).join(" ");
        joined.set(`${from} ${to}`, { from, to, score: (known?.score ?? 0) + score, label });
      }
    }
    const nodes = this.nodes;
    return {
      kind: "graph",
      title: "Circuit",
      caption: `${this.size} of ${this.mask.length} edges between ${nodes.length} nodes.`,
      nodes: nodes.map((node) => ({
        ...{ id: node.id, label: nodeLabel(node), layer: depthOf(node), group: node.kind },
        ...(Number.isNaN(node.score) ? {} : { score: node.score }),
      })),
      edges: [...joined.values()].map(({ label, ...edge }) => ({ ...edge, ...(label ? { label } : {}) })),
    };
  }

  #changed(edges: Iterable<string>, to: 0 | 1): Circuit {
    const mask = this.mask.slice();
    for (const id of edges) mask[this.graph.edgeIndex(id)] = to;
    return new Circuit(this.graph, mask, this.scores);
  }

  /** The edges out of nodes that are kept and into inputs that one of them reads. */
  #between(kept: (node: string) => boolean): Circuit {
    const { edges, senders, receivers } = this.graph;
    return this.#keep((i) => {
      const { sender, receiver } = edges[i] as (typeof edges)[number];
      return kept(senders[sender]?.id as string) && (receivers[receiver] as Receiver).nodes.some(kept);
    });
  }

  #keep(test: (edge: number) => boolean): Circuit {
    const mask = this.mask.map((x, i) => (x && test(i) ? 1 : 0));
    return new Circuit(this.graph, mask, this.scores);
  }
}

/** How many edges of a mask leave each sender, in the order of `graph.senders`. */
export function outDegrees({ edges, senders }: ModelGraph, mask: Uint8Array): Int32Array {
  const out = new Int32Array(senders.length);
  for (let i = 0; i < edges.length; i++) if (mask[i]) out[edges[i]?.sender as number] = (out[edges[i]?.sender as number] as number) + 1;
  return out;
}

/** TransformerLens's label of a node: `L0H1`, `0_mlp_out`. */
export function nodeLabel({ id, kind, layer, head }: GraphNode): string {
  return kind === "head" ? `L${layer}H${head}` : kind === "mlp" ? `${layer}_mlp_out` : id;
}

/** Circuits work on one graph only. @throws E_SHAPE for graphs of models with other parts. */
export function requireSameGraph(expected: ModelGraph, found: ModelGraph): void {
  const [a, b] = [JSON.stringify(shapeOf(expected)), JSON.stringify(shapeOf(found))];
  if (expected === found || a === b) return;
  throw new TritlensError("E_SHAPE", "the circuit belongs to a model with other parts", { expected: a, found: b });
}

function graphOf(of: Model | ModelGraph): ModelGraph {
  return of instanceof ModelGraph ? of : modelGraph(of);
}

function shapeOf({ config }: { readonly config: GraphShape }): GraphShape {
  const { nLayers, nHeads, nKeyValueHeads, attnOnly, parallelAttnMlp } = config;
  return { nLayers, nHeads, nKeyValueHeads, attnOnly, parallelAttnMlp };
}

/** How far up a node stands: heads of a block below its MLP. */
function depthOf({ kind, layer }: GraphNode): number {
  return kind === "input" ? 0 : 2 * layer + (kind === "mlp" ? 2 : 1);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notACircuit("JSON", text.slice(0, 40), cause);
  }
}

/** Edges that a file may ask for: 40 blocks of 40 heads have 4 million, which take half a gigabyte. */
const MAX_EDGES = 4e6;

function requireJson(json: unknown): CircuitJson {
  const { format, version, graph, edges } = (typeof json === "object" && json !== null ? json : {}) as Partial<CircuitJson>;
  if (format !== "tritlens-circuit") throw notACircuit('format "tritlens-circuit"', String(format));
  if (version !== 1) throw notACircuit("version 1", String(version));
  if (!isShape(graph)) throw notACircuit("the parts of a model in `graph`", String(JSON.stringify(graph)).slice(0, 200));
  const isEdge = (e: unknown): boolean => Array.isArray(e) && typeof e[0] === "string" && (e[1] === null || typeof e[1] === "number");
  if (!Array.isArray(edges) || !Array.from(edges).every(isEdge)) throw notACircuit("edges as [id, score or null]", typeof edges);
  return { format, version, graph: shapeOf({ config: graph }), edges };
}

function isShape(graph: Partial<GraphShape> | undefined | null): graph is GraphShape {
  const { nLayers = 0, nHeads = 0, nKeyValueHeads = 0, attnOnly, parallelAttnMlp } = graph ?? {};
  const counts = [nLayers, nHeads, nKeyValueHeads].every((n) => Number.isInteger(n) && n >= 1) && nHeads % nKeyValueHeads === 0;
  const edges = (nLayers * (3 * nHeads + 1) * nLayers * (nHeads + 1)) / 2;
  return counts && edges <= MAX_EDGES && typeof attnOnly === "boolean" && typeof parallelAttnMlp === "boolean";
}

function notACircuit(expected: string, found: string, cause?: unknown): TritlensError {
  return new TritlensError("E_FORMAT", "this is no circuit", { expected, found, ...(cause === undefined ? {} : { cause }) });
}
