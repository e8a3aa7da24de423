/** A comparison as heat maps. */
import type { HeatmapChart, PanelsChart } from "../plots/index.ts";
import type { SiteComparison } from "./result.ts";

/** Values of the strongest colours where everything is smaller: a difference that does not matter should look like one. */
const LEAST = { error: 0.05, kl: 0.01 };

/** Errors of activations, and beneath them the heads of attention patterns. */
export function comparisonChart(sites: readonly SiteComparison[]): PanelsChart {
  const panels = [errors(sites), patterns(sites)].filter((p): p is HeatmapChart => p !== undefined);
  return { kind: "panels", title: "Where the models differ", panels, columns: 1 };
}

/** Layers down, activations across; what lies outside of blocks has a row after them. */
function errors(sites: readonly SiteComparison[]): HeatmapChart | undefined {
  if (sites.length === 0) return undefined;
  const layers = [...new Set(sites.map((s) => s.layer))].sort((a, b) => (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY));
  const inBlocks = sites.filter((s) => s.layer !== null);
  const kinds = [...new Set([...inBlocks, ...sites].map((s) => s.kind))];
  const found = new Map(sites.map((s) => [`${s.layer} ${s.kind}`, s.relativeError]));
  const values = layers.flatMap((layer) => kinds.map((kind) => found.get(`${layer} ${kind}`) ?? Number.NaN));
  return {
    kind: "heatmap",
    title: "Activations",
    scale: "sequential",
    range: [0, most(values, LEAST.error)],
    values,
    x: { name: "activation", labels: kinds.map((kind) => kind.replace("hook_", "")) },
    y: { name: "block", labels: layers.map((layer) => (layer === null ? "outside" : String(layer))) },
    unit: "relative error",
  };
}

/** Layers down, heads across. */
function patterns(sites: readonly SiteComparison[]): HeatmapChart | undefined {
  const rows = sites.filter((s) => s.kind === "attn.hook_pattern");
  if (rows.length === 0) return undefined;
  const heads = Math.max(...rows.map((s) => s.heads.length));
  const values = rows.flatMap((s) => Array.from({ length: heads }, (_, h) => s.heads[h]?.kl ?? Number.NaN));
  return {
    kind: "heatmap",
    title: "Attention patterns",
    scale: "sequential",
    range: [0, most(values, LEAST.kl)],
    values,
    x: { name: "head", labels: Array.from({ length: heads }, (_, h) => String(h)) },
    y: { name: "block", labels: rows.map((s) => String(s.layer)) },
    unit: "KL (nats)",
  };
}

function most(values: readonly number[], least: number): number {
  return values.reduce((a, v) => (Number.isFinite(v) && v > a ? v : a), least);
}
