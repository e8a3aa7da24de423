/** How faithful circuits of all sizes are: what a method of finding circuits is worth. */
import { type Model, type Tokens, TritlensError } from "tritlens";
import {
  Circuit,
  CircuitRunner,
  type CircuitRunOptions,
  type CircuitWatch,
  greedyEdges,
  type MetricLike,
  type ScoredEdges,
  type SelectOptions,
  toMetric,
  topEdges,
} from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link faithfulnessCurve}. */
export interface CurveOptions extends CircuitRunOptions, CircuitWatch, SelectOptions {
  /** Shares of the edges, ascending; 0.1 % to all of them, in ten steps, when left out. */
  readonly proportions?: readonly number[];
  /** How edges are chosen by their scores: {@link topEdges} (the default) or {@link greedyEdges}. */
  readonly select?: "top" | "greedy";
}

/** Those of the MIB benchmark (Mueller et al. 2025). */
const PROPORTIONS: readonly number[] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** Faithfulness over sizes. */
export class CircuitCurve extends Result {
  /** Name of the metric. */
  readonly metric: string;
  /** Share of the edges that was asked for. */
  readonly proportions: readonly number[];
  /** The circuits, without dead ends unless asked otherwise. */
  readonly circuits: readonly Circuit[];
  /** (circuit - ablated) / (model - ablated) of each, [circuit]. */
  readonly faithfulness: Float64Array;
  /** The same of what lies outside of each circuit: 0 where the circuit is complete. */
  readonly outside: Float64Array;
  /** False after an abort: what was not measured is NaN, and so are the areas. */
  readonly complete: boolean;
  /** Area under the curve over the proportions (MIB's CPR): the more, the better at keeping the behaviour. */
  readonly cpr: number;
  /** Area between the curve and 1 (MIB's CMD): the less, the nearer to the model. */
  readonly cmd: number;

  constructor(metric: string, proportions: readonly number[], circuits: readonly Circuit[], faithfulness: Float64Array, outside: Float64Array) {
    super();
    this.outside = outside;
    this.complete = ![...faithfulness, ...outside].some(Number.isNaN);
    [this.metric, this.proportions, this.circuits, this.faithfulness] = [metric, proportions, circuits, faithfulness];
    this.cpr = area(proportions, faithfulness);
    this.cmd = area(
      proportions,
      faithfulness.map((f) => Math.abs(1 - f)),
    );
  }

  /** Faithfulness over the share of edges, which is logarithmic. */
  chart(): Chart {
    return {
      kind: "lines",
      title: `Faithfulness by size: CPR ${this.cpr.toFixed(3)}, CMD ${this.cmd.toFixed(3)}`,
      caption: "Share of the model's behaviour that circuits of growing size keep, and what is left of it without them.",
      x: { name: "share of edges", values: this.proportions, log: true },
      series: [
        { name: `faithfulness (${this.metric})`, values: this.faithfulness },
        { name: "outside of the circuit", values: this.outside },
      ],
    };
  }
}

/**
 * Takes the best edges by score, more and more of them, and measures how much of the behaviour each circuit keeps. The curves of the MIB benchmark (Mueller et al. 2025, arXiv
 * 2504.13151).
 *
 * Compares methods on one model and task; for a statement about one circuit also look at {@link completeness} and {@link minimality}.
 *
 * @returns Faithfulness by share of edges, with the areas CPR and CMD.
 * @throws E_RANGE for proportions that are not ascending in [0, 1], E_NONFINITE when ablating everything changes nothing, and as {@link CircuitRunner}, {@link topEdges}.
 * @example
 * ```ts
 * const curve = await faithfulnessCurve(model, clean, await eapIg(model, clean, corrupt, metric), metric, { corrupt });
 * console.log(curve.cmd, curve.circuits[3].size);
 * ```
 */
export async function faithfulnessCurve(
  model: Model,
  tokens: Tokens,
  scored: ScoredEdges,
  metric: MetricLike,
  options: CurveOptions = {},
): Promise<CircuitCurve> {
  const { proportions = PROPORTIONS, select = "top" } = options;
  requireAscending(proportions);
  const runner = new CircuitRunner(model, tokens, options);
  const { graph } = scored;
  const choose = select === "greedy" ? greedyEdges : topEdges;
  const circuits = proportions.map((p) => choose(scored, Math.round(p * graph.edges.length), options));
  const all = [Circuit.full(graph), Circuit.empty(graph), ...circuits, ...circuits.map((c) => c.complement())];
  const [full, ablated, ...values] = await runner.values(all, metric, options);
  const range = (full as number) - (ablated as number);
  if (range === 0)
    throw new TritlensError("E_NONFINITE", "faithfulness is not defined", {
      expected: "a metric that ablating everything changes",
      found: `${full} in both`,
    });
  const shares = Float64Array.from(values, (v) => (v - (ablated as number)) / range);
  return new CircuitCurve(toMetric(metric).name, proportions, circuits, shares.slice(0, circuits.length), shares.slice(circuits.length));
}

/** Trapezoids. */
function area(x: readonly number[], y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 1; i < x.length; i++) sum += (((y[i] as number) + (y[i - 1] as number)) / 2) * ((x[i] as number) - (x[i - 1] as number));
  return sum;
}

function requireAscending(proportions: readonly number[]): void {
  const wrong = proportions.findIndex((p, i) => !(p >= 0 && p <= 1) || (i > 0 && p <= (proportions[i - 1] as number)));
  if (proportions.length > 0 && wrong < 0) return;
  throw new TritlensError("E_RANGE", "wrong proportions of a curve", {
    expected: "ascending numbers in [0, 1]",
    found: proportions.join(", ") || "none",
  });
}
