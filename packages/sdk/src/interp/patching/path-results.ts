/** Results of path patching. Pictures show how far each path moves the metric from the corrupted run. */
import type { Tensor } from "tritlens";
import { type Chart, Result } from "tritlens/plots";

/** Fields of a {@link PathPatch}. */
export interface PathPatchFields {
  /** The metric of each path; NaN where there is none, or where an abort left it out. */
  readonly values: Tensor;
  /** Names of the senders. */
  readonly senders: readonly string[];
  /** Names of the receivers. */
  readonly receivers: readonly string[];
  /** The metric of the corrupted run. */
  readonly corrupt: number;
  /** Name of the metric. */
  readonly metric: string;
  /** Whether every path was run. */
  readonly complete: boolean;
}

/** What each sender tells the receivers. */
export class PathPatch extends Result {
  /** The metric of each path, [layer, head] or [sender]; NaN where there is no path, or where an abort left it out. */
  readonly values: Tensor;
  /** Names of the senders, one a value. */
  readonly senders: readonly string[];
  /** Names of the receivers. */
  readonly receivers: readonly string[];
  /** The metric of the corrupted run. */
  readonly corrupt: number;
  /** Name of the metric. */
  readonly metric: string;
  /** False when an abort ended the sweep before all paths were run. */
  readonly complete: boolean;

  constructor({ values, senders, receivers, corrupt, metric, complete }: PathPatchFields) {
    super();
    this.values = values;
    this.senders = senders;
    this.receivers = receivers;
    this.corrupt = corrupt;
    this.metric = metric;
    this.complete = complete;
  }

  /** A heat map of all heads, or bars for senders of one's own. */
  override chart(): Chart {
    const effect = this.values.data.map((x) => x - this.corrupt);
    const text = {
      title: `Paths to ${this.receivers.slice(0, 3).join(", ")}${this.receivers.length > 3 ? ", ..." : ""}`,
      caption: `How far the clean value of each sender, seen by the receivers only, moves the ${this.metric} (${this.corrupt.toPrecision(4)} without).`,
      unit: this.metric,
    };
    const numbers = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));
    if (this.values.axes.length === 1)
      return { kind: "bars", ...text, x: { name: "sender", labels: this.senders }, series: [{ name: "path", values: effect }] };
    const [layers, heads] = this.values.shape as [number, number];
    return {
      kind: "heatmap",
      ...text,
      values: effect,
      x: { name: "head", labels: numbers(heads) },
      y: { name: "layer", labels: numbers(layers) },
    };
  }
}

/** Fields of a {@link DirectPathPatch}. */
export interface DirectPathPatchFields extends Omit<PathPatchFields, "receivers"> {
  /** Which input of the later heads was patched. */
  readonly component: "q" | "k" | "v";
}

/** What heads tell later heads directly. */
export class DirectPathPatch extends Result {
  /**
   * The metric of each path: [layer, head] of the receiving head, or [src_layer, src_head, layer, head]. NaN where the receiver is not later than the source, or where an abort left
   * a path out. Keys and values of grouped-query attention have one receiver a group.
   */
  readonly values: Tensor;
  /** Names of the source heads. */
  readonly senders: readonly string[];
  /** Which input of the later heads was patched. */
  readonly component: "q" | "k" | "v";
  /** The metric of the corrupted run. */
  readonly corrupt: number;
  /** Name of the metric. */
  readonly metric: string;
  /** False when an abort ended the sweep before all paths were run. */
  readonly complete: boolean;

  constructor({ values, senders, component, corrupt, metric, complete }: DirectPathPatchFields) {
    super();
    this.values = values;
    this.senders = senders;
    this.component = component;
    this.corrupt = corrupt;
    this.metric = metric;
    this.complete = complete;
  }

  /** A heat map: rows are sources, or layers of the receivers when there is one source. */
  override chart(): Chart {
    const { shape } = this.values;
    const [layers, heads] = shape.slice(-2) as [number, number];
    const many = shape.length > 2;
    const names = Array.from({ length: layers * heads }, (_, i) => `L${Math.floor(i / heads)}H${i % heads}`);
    const numbers = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));
    return {
      kind: "heatmap",
      title: many ? `Direct paths into ${this.component}` : `Direct paths from ${this.senders.join(", ")} into ${this.component}`,
      caption: `How far the source's clean output, seen by the receiving head's ${this.component} only, moves the ${this.metric} (${this.corrupt.toPrecision(4)} without).`,
      unit: this.metric,
      values: this.values.data.map((x) => x - this.corrupt),
      x: many ? { name: "receiving head", labels: names } : { name: "head", labels: numbers(heads) },
      y: many ? { name: "source head", labels: this.senders } : { name: "layer", labels: numbers(layers) },
    };
  }
}
