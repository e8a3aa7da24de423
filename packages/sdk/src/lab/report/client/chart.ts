/** Shared settings of every Plot chart, and the marks several charts use. */
import * as Plot from "@observablehq/plot";
import type { PhaseBand, ReportRun, Series } from "../model.ts";
import { decadeLabel, decades } from "./format.ts";

export type Mark = Plot.Markish;

const MARGINS = { marginLeft: 44, marginRight: 14, marginBottom: 34 };

/** Draws a chart whose SVG scales with its column, named for screen readers. */
export function chart(label: string, options: Plot.PlotOptions): SVGSVGElement | HTMLElement {
  const node = Plot.plot({
    width: 360,
    height: 240,
    ...(options.margin === undefined ? MARGINS : {}),
    ...options,
    style: { background: "transparent", overflow: "visible", fontSize: "10.5px", fontFamily: "inherit", color: "var(--ink-2)" },
  });
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", label);
  node.classList.add("chart");
  return node;
}

/** A logarithmic y axis over the positive values given, ticks at decades. */
export function logAxis(values: (number | null)[], label: string): { scale: Plot.ScaleOptions; floor: number } {
  const positive = values.filter((v): v is number => v !== null && v > 0);
  const lo = Math.min(...positive, 1);
  const hi = Math.max(...positive, 1);
  const floor = Math.max(lo, hi * 1e-12);
  const domain: [number, number] = [floor / 1.3, hi * 1.3];
  return {
    floor,
    scale: { type: "log", domain, label, labelArrow: "none", ticks: decades(...domain), tickFormat: decadeLabel, grid: true, clamp: true },
  };
}

/** The x axis over epochs. */
export function epochAxis(last: number): Plot.ScaleOptions {
  return {
    domain: [0, Math.max(1, last)],
    label: "epoch",
    labelArrow: "none",
    labelAnchor: "center",
    ticks: 5,
    tickFormat: (x: number) => (x >= 1000 ? `${Number((x / 1000).toFixed(1))}k` : String(x)),
  };
}

/** Points of one column of a series, gaps (null) left open. */
export function points(series: Series, column: string): { epoch: number; value: number }[] {
  const values = series.columns[column] ?? [];
  return series.epoch.map((epoch, i) => ({ epoch, value: values[i] ?? Number.NaN }));
}

/** A line through one column of a series. */
export function line(series: Series, column: string, stroke: string, extra: Plot.LineOptions = {}): Mark {
  return Plot.line(points(series, column), { x: "epoch", y: "value", stroke, strokeWidth: 1.6, ...extra });
}

/** Bands of the training phases, named along the top. */
export function phaseMarks(bands: PhaseBand[], last: number, names = true): Mark[] {
  const shown = bands.filter((b) => b.to > b.from);
  const wide = shown.filter((b) => (b.to - b.from) / Math.max(1, last) > 0.16);
  const label = Plot.text(wide, {
    x: (b: PhaseBand) => (b.from + b.to) / 2,
    text: "name",
    frameAnchor: "top",
    dy: -9,
    fontSize: 9,
    fill: "var(--ink-3)",
  });
  return [
    ...shown.map((b, i) => Plot.rectX([b], { x1: "from", x2: "to", fill: i % 2 === 0 ? "var(--band-a)" : "var(--band-b)" })),
    ...(names ? [label] : []),
  ];
}

/** A rule at the grok epoch, named at the foot of the chart. */
export function grokMarks(run: ReportRun): Mark[] {
  if (run.grokEpoch === null) return [];
  const at = [{ x: run.grokEpoch }];
  return [
    Plot.ruleX(at, { x: "x", stroke: "var(--ink-3)", strokeWidth: 1, strokeDasharray: "1 3" }),
    Plot.text(at, {
      x: "x",
      text: () => `99 % at ${run.grokEpoch?.toLocaleString("en")}`,
      frameAnchor: "bottom",
      textAnchor: "end",
      dx: -4,
      dy: -5,
      fontSize: 9,
      fill: "var(--ink-2)",
      stroke: "var(--paper)",
      strokeWidth: 3,
    }),
  ];
}
