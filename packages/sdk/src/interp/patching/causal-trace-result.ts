/** Result of causal tracing. */
import type { Tensor } from "tritlens";
import type { TracedKind } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Fields of a {@link CausalTrace}. */
export interface CausalTraceFields {
  /** The metric of the clean run. */
  readonly clean: number;
  /** Its mean over runs with noise and nothing restored. */
  readonly corrupt: number;
  /** [layer, pos] for each kind. */
  readonly maps: ReadonlyMap<TracedKind, Tensor>;
  /** Positions of the subject. */
  readonly subject: readonly [lo: number, hi: number];
  /** Blocks restored together for `mlp` and `attn`. */
  readonly window: number;
  /** Name of the metric. */
  readonly metric: string;
  /** Names of the positions. */
  readonly posLabels: readonly string[];
  /** Whether every run was done. */
  readonly complete: boolean;
}

const TITLES: Readonly<Record<TracedKind, string>> = { state: "Residual stream", mlp: "MLP outputs", attn: "Attention outputs" };

/** What restoring single states brings back. */
export class CausalTrace extends Result {
  /** The metric of the clean run. */
  readonly clean: number;
  /** Its mean over runs with noise and nothing restored. */
  readonly corrupt: number;
  /** Mean of the metric with the state restored, [layer, pos], for each kind; NaN where an abort left a run out. */
  readonly maps: ReadonlyMap<TracedKind, Tensor>;
  /** Positions of the subject, [lo, hi). */
  readonly subject: readonly [lo: number, hi: number];
  /** Blocks restored together for `mlp` and `attn`. */
  readonly window: number;
  /** Name of the metric. */
  readonly metric: string;
  /** Names of the positions; the subject's end in `*`. */
  readonly posLabels: readonly string[];
  /** False when an abort ended the sweep before all runs were done. */
  readonly complete: boolean;

  constructor({ clean, corrupt, maps, subject, window, metric, posLabels, complete }: CausalTraceFields) {
    super();
    this.clean = clean;
    this.corrupt = corrupt;
    this.maps = maps;
    this.subject = subject;
    this.window = window;
    this.metric = metric;
    this.posLabels = posLabels.map((label, i) => (i >= subject[0] && i < subject[1] ? `${label}*` : label));
    this.complete = complete;
  }

  /** A heat map for each kind: positions down, layers across, as in the paper. */
  override chart(): Chart {
    const panels = [...this.maps].map(([kind, map]) => {
      const [layers, pos] = map.shape as [number, number];
      return {
        kind: "heatmap" as const,
        title: kind === "state" ? TITLES[kind] : `${TITLES[kind]} (${this.window} blocks)`,
        values: Float32Array.from({ length: map.size }, (_, i) => map.at(i % layers, Math.floor(i / layers)) - this.corrupt),
        x: { name: "layer", labels: Array.from({ length: layers }, (_, l) => String(l)) },
        y: { name: "position", labels: this.posLabels.slice(0, pos) },
        scale: "diverging" as const,
        unit: this.metric,
      };
    });
    const caption = `How far restoring clean states moves the ${this.metric} from ${this.corrupt.toPrecision(4)} (noise on *) towards ${this.clean.toPrecision(4)} (clean).`;
    return { kind: "panels", title: "Causal tracing", caption, panels, columns: 3 };
  }
}
