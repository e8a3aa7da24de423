/** Runs circuits: every receiver reads the ablated stream, and what the circuit's senders add to it. */
import { type Hook, type HookFn, type Model, requireBudget, Tensor, type TokenRows, type Tokens, TritlensError, toTokenRows } from "tritlens";
import {
  type AblatedValues,
  ablatedValues,
  type Circuit,
  type CircuitAblation,
  type MetricLike,
  type ModelGraph,
  metricValue,
  modelGraph,
  outDegrees,
  type Receiver,
  readLogits,
  requireSameGraph,
  type Sender,
  toMetric,
  Work,
  type WorkOptions,
} from "tritlens/interp";

/** How circuits are run. */
export interface CircuitRunOptions {
  /** What ablated edges carry; `resample` when there are corrupt tokens, else `zero`. */
  readonly ablation?: CircuitAblation;
  /** For `resample`: a corrupt prompt for each prompt. For `mean`: prompts to take means over; the prompts themselves when left out. As many positions as the prompts have. */
  readonly corrupt?: Tokens;
  /** Most bytes of activations at a time (256 MiB): more circuits go through one after the other. */
  readonly budgetBytes?: number;
}

/** What of a circuit decides how it runs. */
export type EdgeSet = Pick<Circuit, "graph" | "mask">;

/** How long work is followed. */
export interface CircuitWatch extends WorkOptions {
  /** When aborted, return what there is instead of throwing: numbers that are not there yet are NaN. */
  readonly stopOnAbort?: boolean;
}

/** What senders write in this run less what they write in the ablated one: [row, sender, pos * d_model]. */
type Changes = Float32Array;

/**
 * Runs many circuits on the same prompts, together along the batch axis. What ablated edges carry is computed once, when the runner is made.
 *
 * Every receiver (the query, key and value input of each head, each MLP, the logits) reads s + sum over its edges in the circuit of (x - x'), where s is the ablated residual stream, x what
 * the sender writes in this run and x' what it writes in the ablated one. A receiver with all of its edges is left alone, so that the full circuit is the model, bit for bit.
 *
 * @example
 * ```ts
 * const runner = new CircuitRunner(model, clean, { corrupt });
 * const [inside, outside] = await runner.values([circuit, circuit.complement()], logitDiff(answers, foils));
 * ```
 */
export class CircuitRunner {
  /** The model. */
  readonly model: Model;
  /** Its nodes and edges. */
  readonly graph: ModelGraph;
  /** What ablated edges carry. */
  readonly ablation: CircuitAblation;
  /** Circuits that run together, within the budget. */
  readonly together: number;
  readonly #rows: TokenRows;
  readonly #ablated: AblatedValues;
  readonly #width: number;

  /**
   * @throws E_SHAPE when corrupt tokens do not fit, E_MODE for `resample` without them and for a model whose inputs of heads cannot be
   * changed one by one (shortformer positions with int8 activations), E_SPEC for a model without a config, E_MEMORY when one circuit exceeds `budgetBytes`.
   */
  constructor(model: Model, tokens: Tokens, { ablation, corrupt, budgetBytes }: CircuitRunOptions = {}) {
    this.model = model;
    this.graph = modelGraph(model);
    this.ablation = ablation ?? (corrupt === undefined ? "zero" : "resample");
    this.#rows = toTokenRows(tokens);
    this.#width = model.config?.dModel ?? 0;
    requireInputs(model, this.graph);
    const one = this.#bytes();
    requireBudget("a circuit", one, budgetBytes);
    this.together = Math.max(1, Math.floor((budgetBytes ?? 2 ** 28) / one));
    this.#ablated = ablatedValues(model, this.#rows, this.ablation, corrupt);
  }

  /** Logits [batch, pos, class] of each circuit. @throws E_SHAPE for a circuit of another graph. */
  logits(circuits: readonly EdgeSet[]): Tensor[] {
    const out: Tensor[] = [];
    for (let at = 0; at < circuits.length; at += this.together) out.push(...this.#run(circuits.slice(at, at + this.together)));
    return out;
  }

  /**
   * A metric of each circuit.
   *
   * @throws E_ABORTED, E_NONFINITE for a metric that is not finite; what the metric throws passes through.
   */
  async values(circuits: readonly EdgeSet[], metric: MetricLike, { stopOnAbort = false, ...watch }: CircuitWatch = {}): Promise<Float64Array> {
    const whole = toMetric(metric);
    const out = new Float64Array(circuits.length).fill(Number.NaN);
    try {
      const work = new Work("running circuits", circuits.length, watch);
      for (let at = 0; at < circuits.length; at += this.together) {
        const some = this.#run(circuits.slice(at, at + this.together));
        for (const [i, logits] of some.entries()) out[at + i] = metricValue(whole, readLogits(whole, logits));
        await work.done(some.length);
      }
    } catch (error) {
      if (!stopOnAbort || !isAbort(error)) throw error;
    }
    return out;
  }

  /** Bytes of one circuit's run: activations, logits, what senders change, and every input before and after it is changed. */
  #bytes(): number {
    const { batch, pos } = this.#rows;
    const { activations, captures } = this.model.plan({ batch, seq: pos });
    return activations + captures + 4 * batch * pos * this.#width * (this.graph.senders.length + 2 * this.graph.receivers.length);
  }

  #run(circuits: readonly EdgeSet[]): Tensor[] {
    for (const { graph } of circuits) requireSameGraph(this.graph, graph);
    const { batch, pos, data } = this.#rows;
    const tokens = { data: new Int32Array(circuits.length * data.length), shape: [circuits.length * batch, pos] };
    for (let c = 0; c < circuits.length; c++) tokens.data.set(data, c * data.length);
    const hooks = this.#hooks(circuits);
    const all = hooks.length > 0 ? this.model.runWithHooks(tokens, { hooks }) : this.model.forward(tokens);
    const classes = all.shape.at(-1) as number;
    const each = all.size / circuits.length;
    // A model that reads out the last position only has logits [batch, class].
    const shape = [batch, each / batch / classes, classes];
    return circuits.map((_, c) => Tensor.from(all.data.slice(c * each, (c + 1) * each), shape, ["batch", "pos", "class"]));
  }

  /** Hooks that note what senders change and write what receivers read, where one of the circuits needs it. */
  #hooks(circuits: readonly EdgeSet[]): Hook[] {
    const { senders } = this.graph;
    const inputs = circuits.map((c) => this.#inputs(c));
    const written = new Set(inputs.flatMap((of) => [...of.keys()]));
    const isHeard = new Uint8Array(senders.length);
    for (const of of inputs) for (const { edges } of [...of.values()].flat()) for (let k = 0; k < edges.length; k++) if (edges[k]) isHeard[k] = 1;
    const heard = new Map<string, number[]>();
    for (const [k, sender] of senders.entries()) if (isHeard[k]) heard.set(siteOf(sender), [...(heard.get(siteOf(sender)) ?? []), k]);
    const changes: Changes = new Float32Array(circuits.length * this.#rows.batch * senders.length * this.#rows.pos * this.#width);
    return [
      ...[...heard].map(([site, which]): Hook => [site, this.#note(which, changes)]),
      ...[...written].map(
        (site): Hook => [
          site,
          this.#write(
            this.#streamOf(site),
            inputs.map((of) => of.get(site) ?? []),
            changes,
          ),
        ],
      ),
    ];
  }

  /** Inputs that a circuit changes, by activation: those without all of their edges, of nodes that something reads. */
  #inputs({ mask }: EdgeSet): Map<string, Input[]> {
    const { receivers, senders } = this.graph;
    const degrees = outDegrees(this.graph, mask);
    const writes = new Set(senders.flatMap(({ id }, k) => (degrees[k] ? [id] : [])));
    const out = new Map<string, Input[]>();
    let from = 0;
    for (const receiver of receivers) {
      const edges = mask.subarray(from, from + receiver.reads);
      from += receiver.reads;
      const isRead = receiver.kind === "logits" || receiver.nodes.some((node) => writes.has(node));
      if (isRead && edges.includes(0)) out.set(receiver.hook, [...(out.get(receiver.hook) ?? []), { receiver, edges }]);
    }
    return out;
  }

  /** The residual stream that an input copies. */
  #streamOf(hook: string): string {
    const [, block, input] = /^(blocks\.\d+\.)hook_(\w+)$/.exec(hook) as RegExpExecArray;
    if (input === "resid_post") return hook;
    return `${block}hook_resid_${input === "mlp_in" && !this.graph.config.parallelAttnMlp ? "mid" : "pre"}`;
  }

  /** Notes the changes of senders that write to one activation. */
  #note(which: readonly number[], changes: Changes): HookFn {
    const { senders } = this.graph;
    const { pos } = this.#rows;
    const width = this.#width;
    const size = pos * width;
    return ({ data, shape }) => {
      const rows = shape[0] as number;
      const stride = data.length / (rows * pos);
      for (const k of which) {
        const sender = senders[k] as Sender;
        const ablated = this.#ablated.sender(siteOf(sender), sender.head);
        for (let b = 0; b < rows; b++) {
          const into = changes.subarray((b * senders.length + k) * size, (b * senders.length + k + 1) * size);
          for (let t = 0; t < pos; t++) {
            const from = (b * pos + t) * stride + (sender.head ?? 0) * width;
            into.set(data.subarray(from, from + width), t * width);
          }
          const at = ablated ? (b % ablated.rows) * size : 0;
          if (ablated) for (let i = 0; i < size; i++) into[i] = (into[i] as number) - (ablated.data[at + i] as number);
        }
      }
    };
  }

  /** Writes the inputs that circuits change in one activation. @param inputs - Of each circuit. */
  #write(stream: string, inputs: readonly (readonly Input[])[], changes: Changes): HookFn {
    const { batch, pos } = this.#rows;
    const width = this.#width;
    const size = pos * width;
    const row = this.graph.senders.length * size;
    return ({ data, axes, shape }) => {
      const slots = axes.includes("head") ? (shape[2] as number) : 1;
      const base = this.#ablated.stream(stream);
      for (const [c, some] of inputs.entries())
        for (let b = c * batch; some.length > 0 && b < (c + 1) * batch; b++) {
          const sums = this.#sums(some, changes.subarray(b * row, (b + 1) * row));
          const ablated = base.data.subarray((b % base.rows) * size, ((b % base.rows) + 1) * size);
          for (const [i, { receiver }] of some.entries())
            for (let t = 0; t < pos; t++) {
              const at = ((b * pos + t) * slots + (receiver.head ?? 0)) * width;
              for (let d = t * width; d < (t + 1) * width; d++) data[at + d - t * width] = (ablated[d] as number) + (sums[i * size + d] as number);
            }
        }
    };
  }

  /** What the edges add to each input, [input, pos * d_model]: one product of the edges with the changes of a row. */
  #sums(inputs: readonly Input[], changes: Float32Array): Float32Array {
    const size = this.#rows.pos * this.#width;
    const reads = inputs[0]?.edges.length ?? 0;
    const out = new Float32Array(inputs.length * size);
    const edges = new Float32Array(inputs.length * reads);
    for (const [i, input] of inputs.entries()) edges.set(input.edges, i * reads);
    if (edges.includes(1)) this.model.core.matmul(edges, changes.subarray(0, reads * size), inputs.length, reads, size, out);
    return out;
  }
}

/** An input that a circuit changes. */
interface Input {
  readonly receiver: Receiver;
  /** 1 for every sender that it still reads. */
  readonly edges: Uint8Array;
}

/** Whether an error says that work was aborted. */
export function isAbort(error: unknown): boolean {
  return error instanceof TritlensError && error.code === "E_ABORTED";
}

/** @throws E_MODE for a model that lacks an input of its graph. */
function requireInputs(model: Model, { receivers }: ModelGraph): void {
  const lacking = receivers.find((r) => !model.hookNames.includes(r.hook));
  if (lacking)
    throw new TritlensError("E_MODE", "circuits of this model cannot be run", {
      expected: `a model with the activation ${lacking.hook}`,
      found: "none",
    });
}

/** The activation that a sender writes. */
function siteOf({ kind, layer }: Sender): string {
  return kind === "input" ? "blocks.0.hook_resid_pre" : kind === "head" ? `blocks.${layer}.attn.hook_result` : `blocks.${layer}.hook_mlp_out`;
}
