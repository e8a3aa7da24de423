/** Circuits in the JSON of circuit-tracer (0.5, `frontend/graph_models.py`), which its viewer and Neuronpedia's show. */
import { type Tensor, type Tokens, TritlensError, toTokenRows } from "tritlens";
import { type Circuit, type GraphNode, nodeLabel, type Receiver } from "tritlens/interp";

/** What the viewer shows beside the graph. */
export interface ViewerOptions {
  /** The prompt, one row. */
  readonly tokens: Tokens;
  /** Text of a token; its number when left out. `(t) => model.tokenizer.decode([t])`. */
  readonly text?: (token: number) => string;
  /** Logits of the prompt ([batch, pos, class]; the last position of the first row is read): the output node is named after the likeliest token. */
  readonly logits?: Tensor;
  /** Name of the file and of the graph. */
  readonly slug?: string;
  /** Name of the model. */
  readonly scan?: string;
}

/** A node of the viewer. */
export interface ViewerNode {
  /** `{layer}_{index}_{position}`, where the index counts heads and the MLP follows the last head; `E_0_{position}` for the input. */
  readonly node_id: string;
  /** Cantor pair of layer and index; the token, of the output. */
  readonly feature: number;
  /** Layer as text; `E` for the input. */
  readonly layer: string;
  /** Position: the last one, since edges of these circuits belong to no position. */
  readonly ctx_idx: number;
  /** How it is drawn. The input is no `embedding`, which the viewer would name after one token. */
  readonly feature_type: "cross layer transcoder" | "logit";
  /** Probability of the output's token; 0 elsewhere and without logits. */
  readonly token_prob: number;
  /** Whether it is the output. */
  readonly is_target_logit: boolean;
  /** Always 0. */
  readonly run_idx: number;
  /** Always 0. */
  readonly reverse_ctx_idx: number;
  /** Identity across prompts. */
  readonly jsNodeId: string;
  /** What is written beside it. */
  readonly clerp: string;
  /** Null: every node of a circuit is shown. */
  readonly influence: null;
  /** Score; null without one. */
  readonly activation: number | null;
}

/** A link of the viewer. */
export interface ViewerLink {
  /** `node_id` of the sender. */
  readonly source: string;
  /** `node_id` of the reader. */
  readonly target: string;
  /** Score; 1 for an edge without one. */
  readonly weight: number;
}

/** What a graph of the viewer is of; `graph-metadata.json` lists these. */
export interface ViewerMetadata {
  /** Name of the file and of the graph. */
  readonly slug: string;
  /** Name of the model. */
  readonly scan: string;
  /** Empty: there are no transcoders. */
  readonly transcoder_list: readonly string[];
  /** Text of each token. */
  readonly prompt_tokens: readonly string[];
  /** The text. */
  readonly prompt: string;
  /** Null: nothing was pruned for the viewer. */
  readonly node_threshold: null;
  /** Version of the schema. */
  readonly schema_version: 1;
}

/** What is selected when the page opens: nothing. */
export interface ViewerState {
  /** Pinned nodes. */
  readonly pinnedIds: readonly string[];
  /** Groups of pinned nodes. */
  readonly supernodes: readonly (readonly string[])[];
  /** Links into and out of the selected node are shown. */
  readonly linkType: "both";
  /** The selected node. */
  readonly clickedId: string;
  /** Places of the pinned nodes. */
  readonly sg_pos: string;
}

/** A graph of the viewer. */
export interface ViewerGraph {
  /** What it is of. */
  readonly metadata: ViewerMetadata;
  /** State of the page. */
  readonly qParams: ViewerState;
  /** Heads, MLPs, input and outputs. */
  readonly nodes: readonly ViewerNode[];
  /** Edges; those into query, key and value of a head are added up. */
  readonly links: readonly ViewerLink[];
}

/**
 * The JSON of a circuit. Edges of these circuits belong to no position, so every node stands at the last one.
 *
 * @throws E_SHAPE for more than one prompt, and for logits that do not fit.
 * @example
 * ```ts
 * const graph = circuit.toViewer({ tokens, text: (t) => model.tokenizer.decode([t]), slug: "ioi", scan: "gpt2" });
 * await writeFile("graph_files/ioi.json", JSON.stringify(graph));  // beside graph-metadata.json: { "graphs": [graph.metadata] }
 * ```
 */
export function viewerGraph(
  circuit: Pick<Circuit, "graph" | "nodes" | "edges">,
  { tokens, text = String, logits, slug = "circuit", scan = "tritlens" }: ViewerOptions,
): ViewerGraph {
  const rows = toTokenRows(tokens);
  if (rows.batch !== 1) throw new TritlensError("E_SHAPE", "the viewer shows one prompt", { expected: "1 row of tokens", found: `${rows.batch}` });
  const prompt = Array.from(rows.data, text);
  const { nodes: all, config } = circuit.graph;
  const scores = new Map(circuit.nodes.map((n) => [n.id, n.score]));
  const output = logits ? likeliest(logits) : undefined;
  const nodes = new Map<string, ViewerNode>();
  for (const node of all) {
    const score = scores.get(node.id);
    if (score === undefined && node.kind !== "logits") continue;
    const place = placeOf(node, config.nHeads, config.nLayers, output?.token ?? 0);
    const named = output && node.kind === "logits" ? `Output "${text(output.token)}" (p=${output.prob.toFixed(3)})` : CLERPS[node.kind];
    nodes.set(node.id, {
      node_id: `${place.layer}_${place.index}_${rows.pos - 1}`,
      feature: place.feature,
      layer: place.layer,
      ctx_idx: rows.pos - 1,
      feature_type: node.kind === "logits" ? "logit" : "cross layer transcoder",
      token_prob: node.kind === "logits" ? (output?.prob ?? 0) : 0,
      is_target_logit: node.kind === "logits",
      run_idx: 0,
      reverse_ctx_idx: 0,
      jsNodeId: `${node.kind === "logits" ? "L" : place.layer}_${place.index}-0`,
      clerp: named ?? nodeLabel(node),
      influence: null,
      activation: score === undefined || Number.isNaN(score) ? null : score,
    });
  }
  return {
    metadata: { slug, scan, transcoder_list: [], prompt_tokens: prompt, prompt: prompt.join(""), node_threshold: null, schema_version: 1 },
    qParams: { pinnedIds: [], supernodes: [], linkType: "both", clickedId: "", sg_pos: "" },
    nodes: [...nodes.values()],
    links: linksOf(circuit, nodes),
  };
}

/** The viewer reads a probability out of the text of every output. */
const CLERPS: Readonly<Record<string, string>> = { input: "input (all positions)", logits: 'Output "logits" (p=1.000)' };

function placeOf({ kind, layer, head }: GraphNode, heads: number, layers: number, token: number): { layer: string; index: number; feature: number } {
  if (kind === "input") return { layer: "E", index: 0, feature: 0 };
  if (kind === "logits") return { layer: String(layers + 1), index: token, feature: token };
  const index = head ?? heads;
  return { layer: String(layer), index, feature: ((layer + index) * (layer + index + 1)) / 2 + index };
}

function linksOf(circuit: Pick<Circuit, "graph" | "edges">, nodes: ReadonlyMap<string, ViewerNode>): ViewerLink[] {
  const links = new Map<string, ViewerLink>();
  const { receivers } = circuit.graph;
  const readers = new Map(receivers.map((r): [string, Receiver] => [r.id, r]));
  for (const { from, to, score } of circuit.edges)
    for (const node of (readers.get(to) as Receiver).nodes) {
      const [source, target] = [(nodes.get(from) as ViewerNode).node_id, (nodes.get(node) as ViewerNode).node_id];
      const known = links.get(`${source} ${target}`);
      links.set(`${source} ${target}`, { source, target, weight: (known?.weight ?? 0) + (Number.isNaN(score) ? 1 : score) });
    }
  return [...links.values()];
}

/** The likeliest token behind the last position of the first row. */
function likeliest(logits: Tensor): { token: number; prob: number } {
  if (logits.shape.length !== 3)
    throw new TritlensError("E_SHAPE", "wrong shape of the logits", { expected: "[batch, pos, class]", found: `[${logits.shape.join(", ")}]` });
  const row = logits.slice(0, 0).slice(0, -1).data;
  const token = row.reduce((best, x, i) => (x > (row[best] as number) ? i : best), 0);
  const top = row[token] as number;
  return { token, prob: 1 / row.reduce((sum, x) => sum + Math.exp(x - top), 0) };
}
