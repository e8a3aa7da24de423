/** Whether a circuit does what the model does, whether it is all that does so, and whether all of it is needed. */
import { type Model, type Tokens, TritlensError } from "tritlens";
import { Circuit, CircuitRunner, type CircuitRunOptions, type CircuitWatch, type MetricLike, requireChoice, toMetric } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of the measurements. */
export interface FaithfulnessOptions extends CircuitRunOptions, CircuitWatch {}

/** A metric of a circuit, its complement, the whole model and the model with everything ablated. */
export class Faithfulness extends Result {
  /** Name of the metric. */
  readonly metric: string;
  /** Its value in the model. */
  readonly model: number;
  /** In the circuit, all else ablated. */
  readonly circuit: number;
  /** In the complement: the circuit's edges ablated. */
  readonly complement: number;
  /** With everything ablated. */
  readonly ablated: number;
  /** False after an abort: what was not measured is NaN. */
  readonly complete: boolean;

  constructor(metric: string, [model, circuit, complement, ablated]: readonly [number, number, number, number]) {
    super();
    [this.metric, this.model, this.circuit, this.complement, this.ablated] = [metric, model, circuit, complement, ablated];
    this.complete = ![model, circuit, complement, ablated].some(Number.isNaN);
  }

  /** (circuit - ablated) / (model - ablated): 1 when the circuit does what the model does. NaN when ablation changes nothing. */
  get faithfulness(): number {
    return share(this.circuit, this.model, this.ablated);
  }

  /** (complement - ablated) / (model - ablated): 0 when nothing outside of the circuit does it (Marks et al. 2024 call this completeness). */
  get outside(): number {
    return share(this.complement, this.model, this.ablated);
  }

  /** The four values as bars. */
  chart(): Chart {
    return {
      kind: "bars",
      title: `Faithfulness ${this.faithfulness.toFixed(3)}`,
      caption: Number.isNaN(this.faithfulness)
        ? "Ablating everything changes nothing (or was not measured): there is no behaviour to keep."
        : `The circuit keeps ${percent(this.faithfulness)} of what the model has over ablating everything; what lies outside of it keeps ${percent(this.outside)}.`,
      x: { name: "run", labels: ["model", "circuit", "complement", "ablated"] },
      series: [{ name: this.metric, values: [this.model, this.circuit, this.complement, this.ablated] }],
      unit: this.metric,
    };
  }
}

/**
 * Runs a circuit and its complement beside the model: how much of the behaviour the circuit keeps on its own (Hanna et al. 2024, arXiv 2403.17806; Marks et al. 2024, arXiv
 * 2403.19647).
 *
 * A faithful circuit may still be too large, or lack parts that stand by for others: see {@link minimality} and {@link completeness}. With `zero` ablation inputs leave the
 * model's usual range; prefer `resample` or `mean`.
 *
 * @param tokens - Prompts [batch, pos].
 * @throws As {@link CircuitRunner} and its `values`.
 * @example
 * ```ts
 * const { faithfulness, outside } = await faithfulness(model, circuit, clean, logitDiff(answer, foil), { corrupt });
 * ```
 */
export async function faithfulness(
  model: Model,
  circuit: Circuit,
  tokens: Tokens,
  metric: MetricLike,
  options: FaithfulnessOptions = {},
): Promise<Faithfulness> {
  const runner = new CircuitRunner(model, tokens, options);
  const { graph } = runner;
  const values = await runner.values([Circuit.full(graph), circuit, circuit.complement(), Circuit.empty(graph)], metric, options);
  return new Faithfulness(toMetric(metric).name, [...values] as unknown as [number, number, number, number]);
}

/** A set of nodes, and what is left without it. */
export interface KnockedOut {
  /** Ids of the nodes. */
  readonly without: readonly string[];
  /** The metric of the model without them. */
  readonly model: number;
  /** The metric of the circuit without them. */
  readonly circuit: number;
}

/** Model and circuit with the same nodes knocked out of both. */
export class Completeness extends Result {
  /** Name of the metric. */
  readonly metric: string;
  /** One a set of nodes. */
  readonly samples: readonly KnockedOut[];
  /** Largest difference of the two, in units of what the model has over ablating everything. */
  readonly gap: number;
  /** False after an abort: the numbers of the other sets are NaN. */
  readonly complete: boolean;

  constructor(metric: string, samples: readonly KnockedOut[], range: number) {
    super();
    [this.metric, this.samples] = [metric, samples];
    const gaps = samples.map((s) => Math.abs(s.model - s.circuit));
    this.gap = Math.max(...gaps.filter((x) => !Number.isNaN(x))) / Math.abs(range);
    this.complete = !gaps.some(Number.isNaN);
  }

  /** The model against the circuit: a complete circuit's points lie on the diagonal. */
  chart(): Chart {
    return {
      kind: "scatter",
      title: "Completeness",
      caption: `${this.samples.length} sets of nodes knocked out of model and circuit: the largest difference is ${percent(this.gap)} of the behaviour.`,
      points: this.samples.map(({ without, model, circuit }) => ({ x: model, y: circuit, label: without.join(" ") || "none" })),
      xName: `${this.metric}, model without K`,
      yName: `${this.metric}, circuit without K`,
      diagonal: true,
    };
  }
}

/**
 * Knocks random sets K of the circuit's nodes out of the circuit and out of the model (Wang et al. 2022, section 4.1): if the circuit is complete, F(circuit \ K) is near
 * F(model \ K) for every K. The first set is empty.
 *
 * The worst set K may not be among the random ones: a small gap is no proof of completeness. One run a set, of model and circuit each.
 *
 * @param options - `samples`: number of sets (20); `seed`: which sets.
 * @param tokens - Prompts [batch, pos].
 * @throws E_RANGE for a count below 1, and as {@link CircuitRunner}.
 */
export async function completeness(
  model: Model,
  circuit: Circuit,
  tokens: Tokens,
  metric: MetricLike,
  options: FaithfulnessOptions & { readonly samples?: number; readonly seed?: number } = {},
): Promise<Completeness> {
  const { samples = 20, seed = 0 } = options;
  if (!Number.isInteger(samples) || samples < 1)
    throw new TritlensError("E_RANGE", "wrong number of samples", { expected: "an integer of at least 1", found: String(samples) });
  const runner = new CircuitRunner(model, tokens, options);
  const nodes = innerNodes(circuit);
  const chance = new Float32Array(samples * nodes.length);
  model.core.random(seed, 0, 0, chance);
  const sets = Array.from({ length: samples }, (_, s) => nodes.filter((_, i) => s > 0 && (chance[s * nodes.length + i] as number) < 0.5));
  const whole = Circuit.full(runner.graph);
  const circuits = [whole, Circuit.empty(whole.graph), ...sets.flatMap((set) => [whole.withoutNodes(set), circuit.withoutNodes(set)])];
  const [full, ablated, ...values] = await runner.values(circuits, metric, options);
  const points = sets.map((without, s) => ({ without, model: values[2 * s] as number, circuit: values[2 * s + 1] as number }));
  return new Completeness(toMetric(metric).name, points, (full as number) - (ablated as number));
}

/** A part of a circuit, and what is left without it. */
export interface NeededPart {
  /** Id of the node or edge. */
  readonly id: string;
  /** The metric of the circuit without it. */
  readonly value: number;
  /** How far that lies from the circuit's own, in units of what the model has over ablating everything. */
  readonly change: number;
}

/** How much each part of a circuit matters. */
export class Minimality extends Result {
  /** Name of the metric. */
  readonly metric: string;
  /** Nodes or edges, from the one that matters most. */
  readonly parts: readonly NeededPart[];
  /** False after an abort: the numbers of the other parts are NaN, and they come last. */
  readonly complete: boolean;

  constructor(metric: string, parts: readonly NeededPart[]) {
    super();
    this.metric = metric;
    const rank = ({ change }: { readonly change: number }): number => (Number.isNaN(change) ? -1 : change);
    this.parts = [...parts].sort((a, b) => rank(b) - rank(a));
    this.complete = !parts.some((p) => Number.isNaN(p.change));
  }

  /** Bars from the part that matters most; parts at 0 are not needed. */
  chart(): Chart {
    const last = this.parts.at(-1);
    return {
      kind: "bars",
      title: "Minimality",
      caption: last ? `Without ${last.id}, the least needed part, the behaviour changes by ${percent(last.change)}.` : "The circuit is empty.",
      x: { name: "removed", labels: this.parts.map((p) => p.id) },
      series: [{ name: "change", values: this.parts.map((p) => p.change) }],
      unit: "share of the behaviour",
    };
  }
}

/**
 * Removes each node (or edge) from the circuit alone: in a minimal circuit every removal changes the metric (Wang et al. 2022, section 4.2, with no other nodes knocked out).
 *
 * Parts that stand in for each other all look unneeded, because they are removed one at a time: do not remove several on its word.
 *
 * @param options - `parts`: `nodes` (the default) or `edges`.
 * @param tokens - Prompts [batch, pos].
 * @throws As {@link CircuitRunner} and its `values`.
 */
export async function minimality(
  model: Model,
  circuit: Circuit,
  tokens: Tokens,
  metric: MetricLike,
  options: FaithfulnessOptions & { readonly parts?: "nodes" | "edges" } = {},
): Promise<Minimality> {
  const runner = new CircuitRunner(model, tokens, options);
  requireChoice("part of a circuit", options.parts ?? "nodes", ["nodes", "edges"]);
  const ids = options.parts === "edges" ? circuit.edges.map((e) => e.id) : innerNodes(circuit);
  const without = ids.map((id) => (options.parts === "edges" ? circuit.without([id]) : circuit.withoutNodes([id])));
  const { graph } = runner;
  const [full, ablated, plain, ...values] = await runner.values([Circuit.full(graph), Circuit.empty(graph), circuit, ...without], metric, options);
  const range = Math.abs((full as number) - (ablated as number));
  const parts = ids.map((id, i) => ({ id, value: values[i] as number, change: Math.abs((values[i] as number) - (plain as number)) / range }));
  return new Minimality(toMetric(metric).name, parts);
}

/** Heads and MLPs of a circuit. */
function innerNodes(circuit: Circuit): string[] {
  return circuit.nodes.filter((n) => n.kind === "head" || n.kind === "mlp").map((n) => n.id);
}

function share(value: number, model: number, ablated: number): number {
  return model === ablated ? Number.NaN : (value - ablated) / (model - ablated);
}

function percent(x: number): string {
  return `${(100 * x).toFixed(1)} %`;
}
