/** Result of interchange interventions. */
import { Tensor } from "tritlens";
import { type BarChart, Result } from "tritlens/plots";

/** Fields of an {@link Interchange}. */
export interface InterchangeFields {
  /** The metric of each alignment; NaN where an abort left one out. */
  readonly values: Float32Array;
  /** Names of the alignments. */
  readonly labels: readonly string[];
  /** The metric of the base run. */
  readonly base: number;
  /** Name of the metric. */
  readonly metric: string;
  /** Whether every alignment was run. */
  readonly complete: boolean;
}

/** What interchange interventions did. */
export class Interchange extends Result {
  /** The metric of each alignment, [alignment]; NaN where an abort left one out. */
  readonly values: Tensor;
  /** Names of the alignments. */
  readonly labels: readonly string[];
  /** The metric of the base run, without interventions. */
  readonly base: number;
  /** Name of the metric. */
  readonly metric: string;
  /** False when an abort ended the sweep before all alignments were run. */
  readonly complete: boolean;

  constructor({ values, labels, base, metric, complete }: InterchangeFields) {
    super();
    this.values = Tensor.from(values, [values.length], ["alignment"]);
    this.labels = labels;
    this.base = base;
    this.metric = metric;
    this.complete = complete;
  }

  /** A bar for each alignment. */
  override chart(): BarChart {
    return {
      kind: "bars",
      title: "Interchange interventions",
      caption: `The ${this.metric} after the places of each alignment were taken from source runs; ${this.base.toPrecision(4)} without.`,
      x: { name: "alignment", labels: this.labels },
      series: [{ name: this.metric, values: this.values.data }],
      unit: this.metric,
    };
  }
}
