/** Exact edge patching: every edge patched on its own, in one sweep. What gradient methods are judged by. */
import {
  type Edit,
  type Model,
  mapTensor,
  requireBudget,
  type SweepProgress,
  type Tensor,
  type Tokens,
  type TransformerConfig,
  TritlensError,
  type Variant,
} from "tritlens";
import {
  EdgeScores,
  type MetricLike,
  type ModelGraph,
  metricValue,
  modelGraph,
  otherCache,
  type PatchInto,
  promptPair,
  type Receiver,
  senderOutputs,
  toMetric,
} from "tritlens/interp";

/** Options of {@link exactEdgeScores}. */
export interface ExactEdgeOptions {
  /** The run that is patched (`clean`). */
  readonly into?: PatchInto;
  /** Ids of the edges to patch; all of them when left out: one run an edge. */
  readonly edges?: readonly string[];
  /** The model's graph, when it is at hand. */
  readonly graph?: ModelGraph;
  /** Most bytes of activations at a time, see `Model.sweep`. */
  readonly budgetBytes?: number;
  /** Ends the sweep. */
  readonly signal?: AbortSignal;
  /** Return what is done when aborted, the rest being NaN, instead of throwing E_ABORTED. */
  readonly stopOnAbort?: boolean;
  /** Called as edges are done. */
  readonly onProgress?: (progress: SweepProgress) => void;
}

/**
 * Patches one edge at a time: its receiver reads the other run's value of its sender, every other reader the patched run's. The score is the metric then, minus the metric of
 * the run itself.
 *
 * Exact, and what {@link eap} and its kin are judged by, but one run an edge: 32,491 in GPT-2 small. There, rank edges with {@link eap} and name the best ones in `edges`.
 *
 * @param clean - Prompts [batch, pos].
 * @param corrupted - Prompts of the same size.
 * @param metric - Any metric; it needs no gradient.
 * @returns One score an edge of the graph, [edge]; NaN for edges that were not asked for.
 * @throws E_NAME for an unknown edge, E_SHAPE for prompts of different sizes, E_NONFINITE for a metric that is NaN, E_MEMORY beyond `budgetBytes`, E_SPEC for a bare Spec,
 * E_ABORTED; what the metric throws passes through.
 */
export async function exactEdgeScores(
  model: Model,
  clean: Tokens,
  corrupted: Tokens,
  metric: MetricLike,
  options: ExactEdgeOptions = {},
): Promise<EdgeScores> {
  const { into = "clean", graph = modelGraph(model), edges, stopOnAbort = false, ...sweep } = options;
  const full = toMetric(metric);
  const { base, other, batch, pos } = promptPair(clean, corrupted, into);
  const bytes = 12 * graph.senders.length * batch * pos * graph.config.dModel;
  // What every sender changes, three times: all together, and one by one with both signs.
  if (sweep.budgetBytes !== undefined) requireBudget("exact edge patching", bytes, sweep.budgetBytes);
  const delta = senderOutputs(model, graph, otherCache(model, graph, other), otherCache(model, graph, base));
  // Two tensors a sender, which all its edges share.
  const deltas = graph.senders.map((_, s) => delta.slice("sender", s).reshape([batch, pos, graph.config.dModel], ["batch", "pos", "d_model"]));
  const negated = deltas.map((x) => mapTensor(x, (v) => -v));
  const chosen = edges?.map((id) => graph.edgeIndex(id)) ?? Array.from(graph.edges.keys());
  const variants = chosen.map((i): Variant => {
    const edge = graph.edges[i] as { sender: number; receiver: number };
    return { edits: edgeEdits(graph.config, graph.receivers[edge.receiver] as Receiver, deltas[edge.sender] as Tensor, negated[edge.sender]) };
  });
  const scores = new Float32Array(graph.edges.length).fill(Number.NaN);
  let plain = Number.NaN;
  let done = 0;
  try {
    for await (const { index, logits } of model.sweep(base, variants, { ...sweep, ...full.reads })) {
      const value = metricValue(full, logits);
      if (index < 0) plain = value;
      else {
        scores[chosen[index] as number] = value - plain;
        done++;
      }
    }
  } catch (error) {
    if (!stopOnAbort || !(error instanceof TritlensError) || error.code !== "E_ABORTED") throw error;
  }
  return new EdgeScores(graph, scores, { method: "exact patching", metric: full.name, complete: done === chosen.length });
}

/**
 * The edits of a sweep that add `delta` to what one receiver reads, and to nothing else: the residual stream is changed before its half of the block, everything else that reads there is held at
 * the plain run's value, and the change is taken out again behind it.
 *
 * @param delta - [batch, pos, d_model].
 * @param negated - -delta, when it is at hand.
 */
export function edgeEdits(c: TransformerConfig, receiver: Receiver, delta: Tensor, negated: Tensor = mapTensor(delta, (x) => -x)): Variant["edits"] {
  const { kind, layer } = receiver;
  const add: Edit = { kind: "add", value: delta };
  if (kind === "logits") return [[`blocks.${c.nLayers - 1}.hook_resid_post`, add]];
  const block = `blocks.${layer}.`;
  const back: Edit = { kind: "add", value: negated };
  const sequential = !c.attnOnly && !c.parallelAttnMlp;
  if (kind === "mlp") {
    const before: Variant["edits"] = sequential
      ? [[`${block}hook_resid_mid`, add]]
      : [
          [`${block}hook_resid_pre`, add],
          [`${block}hook_attn_out`, { kind: "freeze" }],
        ];
    return [...before, [`${block}hook_resid_post`, back]];
  }
  const held = (["q", "k", "v"] as const).flatMap((x) => heldHeads(c, block, x, x === kind ? receiver.head : undefined));
  const behind = sequential ? `${block}hook_resid_mid` : `${block}hook_resid_post`;
  const mlp: Variant["edits"] = c.parallelAttnMlp && !c.attnOnly ? [[`${block}hook_mlp_out`, { kind: "freeze" }]] : [];
  return [[`${block}hook_resid_pre`, add], ...held, ...mlp, [behind, back]];
}

/** Holds queries, keys or values of all heads but one. */
function heldHeads(c: TransformerConfig, block: string, kind: "q" | "k" | "v", free: number | undefined): Variant["edits"] {
  const site = `${block}attn.hook_${kind}`;
  const heads = kind === "q" ? c.nHeads : c.nKeyValueHeads;
  if (free === undefined) return [[site, { kind: "freeze" }]];
  const ranges = [[0, free] as const, [free + 1, heads] as const].filter(([lo, hi]) => hi > lo);
  return ranges.map((head) => [site, { kind: "freeze", at: { head } }] as const);
}
