/** A model as a graph: what writes to the residual stream, what reads from it, and every edge between them. Edge patching, EAP and circuits stand on it. */
import { type Model, type TransformerConfig, TritlensError, unknownName } from "tritlens";

/** A part of the model that circuits are made of. Ids as in EAP-IG (Hanna et al. 2024): `input`, `a0.h3`, `m2`, `logits`. */
export interface GraphNode {
  /** `input`, `a{layer}.h{head}`, `m{layer}` or `logits`. */
  readonly id: string;
  /** What it is. */
  readonly kind: "input" | "head" | "mlp" | "logits";
  /** Block; -1 for the input, the number of blocks for the logits. */
  readonly layer: number;
  /** Head, of heads only. */
  readonly head?: number;
}

/** A node that writes to the residual stream: the input, a head, an MLP. */
export interface Sender extends GraphNode {
  /** Which of them. */
  readonly kind: "input" | "head" | "mlp";
}

/** One input of a node, which reads the sum of what earlier senders wrote. */
export interface Receiver {
  /** `a1.h0<q>`, `m1`, `logits`; with grouped keys and values `a1.kv0<k>`. */
  readonly id: string;
  /** Which input. */
  readonly kind: "q" | "k" | "v" | "mlp" | "logits";
  /** Block; the number of blocks for the logits. */
  readonly layer: number;
  /** Query head (`q`) or key-value head (`k`, `v`). */
  readonly head?: number;
  /** Ids of the nodes that read through it: one, or all heads that share a key-value head. */
  readonly nodes: readonly string[];
  /** It reads the first `reads` senders, and no others. */
  readonly reads: number;
  /** Activation that holds the input: `blocks.1.hook_q_input` (at `head`), `blocks.1.hook_mlp_in`, `blocks.{last}.hook_resid_post`. */
  readonly hook: string;
}

/** What one sender contributes to one receiver. */
export interface GraphEdge {
  /** `a0.h3->a1.h0<q>`, `input->m1`, `m1->logits`. */
  readonly id: string;
  /** Index in {@link ModelGraph.senders}. */
  readonly sender: number;
  /** Index in {@link ModelGraph.receivers}. */
  readonly receiver: number;
}

/**
 * The edge graph of a transformer. Senders stand in firing order (input, then per block its heads and its MLP), so that every receiver reads the first few of them. The embedding (with
 * learned positions) is one sender; biases of outputs are no senders, they are the same in every run.
 *
 * @example
 * ```ts
 * const graph = modelGraph(model);
 * graph.edges.length;                       // 32491 for GPT-2 small
 * graph.edge("a0.h3->a1.h0<q>");            // { id, sender, receiver }
 * ```
 */
export class ModelGraph {
  /** The configuration it was made from. */
  readonly config: TransformerConfig;
  /** All nodes in firing order. */
  readonly nodes: readonly GraphNode[];
  /** Nodes that write. */
  readonly senders: readonly Sender[];
  /** Inputs that are read, in the order of their blocks: q, k, v of every head, the MLP; the logits last. */
  readonly receivers: readonly Receiver[];
  /** All edges, by receiver, then by sender. */
  readonly edges: readonly GraphEdge[];
  readonly #first: readonly number[];
  readonly #ids: Map<string, number>;

  constructor(config: TransformerConfig) {
    this.config = config;
    this.senders = sendersOf(config);
    this.nodes = [...this.senders, { id: "logits", kind: "logits", layer: config.nLayers }];
    this.receivers = receiversOf(config);
    const first: number[] = [];
    const edges: GraphEdge[] = [];
    for (const [receiver, { id, reads }] of this.receivers.entries()) {
      first.push(edges.length);
      for (let sender = 0; sender < reads; sender++) edges.push({ id: `${this.senders[sender]?.id}->${id}`, sender, receiver });
    }
    this.edges = edges;
    this.#first = first;
    this.#ids = new Map(edges.map((e, i) => [e.id, i]));
  }

  /** Index in `edges`; undefined where the receiver does not read the sender. */
  edgeAt(sender: number, receiver: number): number | undefined {
    const reads = this.receivers[receiver]?.reads ?? 0;
    return sender >= 0 && sender < reads ? (this.#first[receiver] as number) + sender : undefined;
  }

  /** Index of an edge in `edges`. @throws E_NAME with the nearest names. */
  edgeIndex(id: string): number {
    const i = this.#ids.get(id);
    if (i !== undefined) return i;
    const known = this.#near(id);
    throw unknownName("edge", id, known);
  }

  /** An edge by its id. @throws E_NAME with the nearest names. */
  edge(id: string): GraphEdge {
    return this.edges[this.edgeIndex(id)] as GraphEdge;
  }

  /** A node by its id. @throws E_NAME with the nearest names. */
  node(id: string): GraphNode {
    return byId("node", id, this.nodes);
  }

  /** Index of a sender. @throws E_NAME with the nearest names. */
  senderIndex(id: string): number {
    return this.senders.indexOf(byId("sender", id, this.senders));
  }

  /** Index of a receiver. @throws E_NAME with the nearest names. */
  receiverIndex(id: string): number {
    return this.receivers.indexOf(byId("receiver", id, this.receivers));
  }

  /** Ids worth comparing a wrong one with: edges of its sender or its receiver, when one of both is right (the whole list has tens of thousands). */
  #near(id: string): readonly string[] {
    const [from, to] = id.split("->");
    const some = this.edges.filter((e) => this.senders[e.sender]?.id === from || this.receivers[e.receiver]?.id === to).map((e) => e.id);
    return some.length > 0 ? some : this.edges.slice(0, 1000).map((e) => e.id);
  }
}

/** Graphs by their configuration: tens of thousands of edges with their names take longer to make than to score. */
const GRAPHS = new WeakMap<TransformerConfig, ModelGraph>();

/** The edge graph of a model, the same object each time. @throws E_SPEC for a model without a configuration. */
export function modelGraph(model: Model): ModelGraph {
  const { config } = model;
  if (config) {
    const graph = GRAPHS.get(config) ?? new ModelGraph(config);
    GRAPHS.set(config, graph);
    return graph;
  }
  throw new TritlensError("E_SPEC", "the graph of a model needs its configuration", { expected: "Model.fromConfig", found: "a bare Spec" });
}

function byId<T extends { readonly id: string }>(kind: string, id: string, list: readonly T[]): T {
  const found = list.find((x) => x.id === id);
  if (found) return found;
  throw unknownName(
    kind,
    id,
    list.map((x) => x.id),
  );
}

function sendersOf(c: TransformerConfig): Sender[] {
  const senders: Sender[] = [{ id: "input", kind: "input", layer: -1 }];
  for (let layer = 0; layer < c.nLayers; layer++) {
    for (let head = 0; head < c.nHeads; head++) senders.push({ id: `a${layer}.h${head}`, kind: "head", layer, head });
    if (!c.attnOnly) senders.push({ id: `m${layer}`, kind: "mlp", layer });
  }
  return senders;
}

function receiversOf(c: TransformerConfig): Receiver[] {
  const perBlock = c.nHeads + (c.attnOnly ? 0 : 1);
  const receivers: Receiver[] = [];
  for (let layer = 0; layer < c.nLayers; layer++) {
    const before = 1 + layer * perBlock;
    for (const kind of ["q", "k", "v"] as const) receivers.push(...headInputs(c, layer, kind, before));
    if (c.attnOnly) continue;
    const reads = before + (c.parallelAttnMlp ? 0 : c.nHeads);
    receivers.push({ id: `m${layer}`, kind: "mlp", layer, nodes: [`m${layer}`], reads, hook: `blocks.${layer}.hook_mlp_in` });
  }
  const hook = `blocks.${c.nLayers - 1}.hook_resid_post`;
  receivers.push({ id: "logits", kind: "logits", layer: c.nLayers, nodes: ["logits"], reads: 1 + c.nLayers * perBlock, hook });
  return receivers;
}

function headInputs(c: TransformerConfig, layer: number, kind: "q" | "k" | "v", reads: number): Receiver[] {
  const shared = kind === "q" ? 1 : c.nHeads / c.nKeyValueHeads;
  return Array.from({ length: c.nHeads / shared }, (_, head) => ({
    id: `a${layer}.${shared === 1 ? "h" : "kv"}${head}<${kind}>`,
    kind,
    layer,
    head,
    nodes: Array.from({ length: shared }, (_, i) => `a${layer}.h${head * shared + i}`),
    reads,
    hook: `blocks.${layer}.hook_${kind}_input`,
  }));
}
