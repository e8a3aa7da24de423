/** Charts as text for a terminal. */
import { bar, sparkline, table } from "../core/text.ts";
import type { AttentionChart, Chart, GraphChart, LineChart, PanelsChart, ScatterChart } from "./chart.ts";
import { checkChart } from "./check.ts";
import { visible, wrapCells } from "./label.ts";
import { comparable } from "./panels.ts";
import { label, left, MOST, printBars } from "./print-bars.ts";
import { printHeatmap } from "./print-heatmap.ts";
import { shadeMap } from "./print-shades.ts";
import { extent, plainNumber } from "./scale.ts";

/** How a chart is printed. */
export interface PrintOptions {
  /** Characters of a line, 40 to 1000; 100 when left out. */
  readonly width?: number;
  /** Colours of a terminal behind the cells of heat maps; none when left out, and none where the environment has NO_COLOR. */
  readonly color?: boolean;
}

const MOST_HEADS = 6;

/**
 * A small table, bars, sparklines or a map of shades: what fits a terminal. What is left out is counted.
 *
 * @throws E_SHAPE, E_NAME as {@link drawSvg}.
 */
export function printChart(chart: Chart, options: PrintOptions = {}): string {
  checkChart(chart);
  const width = Math.max(40, Math.min(1000, Math.floor(options.width ?? 100) || 100));
  const heading = [chart.title, chart.caption ?? ""].flatMap((text) => wrapCells(visible(text), width));
  return [...heading, body(chart, width, options)].filter((part) => part !== "").join("\n");
}

function body(chart: Chart, width: number, options: PrintOptions): string {
  switch (chart.kind) {
    case "heatmap":
      return printHeatmap(chart, width, options.color === true && !noColour());
    case "bars":
      return safe(printBars(chart, width));
    case "lines":
      return safe(lines(chart, width));
    case "scatter":
      return safe(scatter(chart, width));
    case "attention":
      return attention(chart, width);
    case "graph":
      return safe(graph(chart, width));
    case "panels":
      return panels(chart, width, options);
  }
}

/** Text without the control characters that a name or a unit may hold. */
function safe(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, "?");
}

/** https://no-color.org */
function noColour(): boolean {
  return typeof process !== "undefined" && (process.env?.NO_COLOR ?? "") !== "";
}

/** A sparkline a series, with its first, last, least and largest value; one range for all of them, so that they can be compared. */
function lines({ x, series, unit, log }: LineChart, width: number): string {
  const shown = series.slice(0, MOST).map((s) => ({ name: s.name, values: Array.from(s.values) }));
  const scaled = (v: number): number => (log ? (v > 0 ? Math.log(v) : Number.NaN) : v);
  const range = extent(shown.flatMap((s) => s.values.map(scaled))) ?? [0, 1];
  const rows = shown.map(({ name, values }) => {
    const finite = values.filter((v) => Number.isFinite(scaled(v)));
    const [lo, hi] = extent(finite) ?? [Number.NaN, Number.NaN];
    return [
      label(name),
      sparkline(values.map(scaled), Math.max(10, Math.min(60, width - 74)), ...range),
      ...[finite[0], finite.at(-1), lo, hi].map((v) => plainNumber(v ?? Number.NaN)),
    ];
  });
  const ends = extent(Array.from(x.values));
  const along =
    ends === null
      ? ""
      : `\n${x.name} ${plainNumber(ends[0])} to ${plainNumber(ends[1])}${x.log ? " (one place a point)" : ""}${log ? ", heights logarithmic" : ""}`;
  return table([["", unit ?? "", "first", "last", "least", "most"], ...rows], [2, 3, 4, 5]) + left(series.length, MOST, "lines") + along;
}

const SYMBOLS = "o+x*#@";

function scatter({ points, xName, yName }: ScatterChart, width: number): string {
  const finite = points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
  const [xs, ys] = [extent(finite.map((p) => p.x)), extent(finite.map((p) => p.y))];
  if (xs === null || ys === null) return "no points";
  const groups = [...new Set(finite.map((p) => p.group ?? ""))];
  const [columns, rows] = [Math.min(60, width - 14), 16];
  const cells = Array.from({ length: rows }, () => new Array<string>(columns).fill(" "));
  const place = (v: number, [lo, hi]: readonly [number, number], n: number): number =>
    // Halves, because a range may be larger than any number.
    hi > lo ? Math.round(((v / 2 - lo / 2) / (hi / 2 - lo / 2)) * (n - 1)) : (n - 1) >> 1;
  for (const p of finite) {
    const row = cells[rows - 1 - place(p.y, ys, rows)] as string[];
    row[place(p.x, xs, columns)] = SYMBOLS[groups.indexOf(p.group ?? "") % SYMBOLS.length] as string;
  }
  const edge = [plainNumber(ys[1]), ...new Array<string>(rows - 2).fill(""), plainNumber(ys[0])];
  const wide = Math.max(...edge.map((t) => t.length));
  const legend = groups.length > 1 ? groups.map((g, i) => `${SYMBOLS[i % SYMBOLS.length]} ${g || "other"}`).join("  ") : "";
  const foot = `${" ".repeat(wide + 1)}${plainNumber(xs[0])}${plainNumber(xs[1]).padStart(columns - plainNumber(xs[0]).length)}`;
  const map = cells.map((row, r) => `${(edge[r] as string).padStart(wide)} ${row.join("")}`.trimEnd());
  return [`up: ${yName}, right: ${xName}`, legend, ...map, foot].filter((line) => line !== "").join("\n");
}

function attention({ tokens, heads }: AttentionChart, width: number): string {
  const labels = tokens.map((t) => label(visible(t, true), 12));
  const room = Math.max(1, Math.floor((width - 13) / 2));
  const keys = Math.min(labels.length, room);
  const parts = heads
    .slice(0, MOST_HEADS)
    .map(({ name, weights }) => `${heads.length > 1 ? `${visible(name)}\n` : ""}${shadeMap(weights, labels, keys)}`);
  return parts.join("\n\n") + (keys < labels.length ? `\n… ${labels.length - keys} more tokens` : "") + left(heads.length, MOST_HEADS, "heads");
}

/** The strongest edges. */
function graph({ nodes, edges }: GraphChart, width: number): string {
  const size = (score: number): number => (Number.isFinite(score) ? Math.abs(score) : 0);
  const sorted = [...edges].sort((a, b) => size(b.score) - size(a.score));
  const peak = size(sorted[0]?.score ?? 0) || 1;
  const rows = sorted
    .slice(0, MOST)
    .map((e) => [
      `${label(e.from, 24)} → ${label(e.to, 24)}`,
      e.label ? label(e.label, 16) : "",
      plainNumber(e.score),
      bar(size(e.score) / peak, Math.max(6, Math.min(24, width - 80))),
    ]);
  return `${nodes.length.toLocaleString("en")} nodes, ${edges.length.toLocaleString("en")} edges\n${table(rows, [2])}${left(edges.length, MOST, "edges with smaller scores")}`;
}

function panels(chart: PanelsChart, width: number, options: PrintOptions): string {
  return comparable(chart)
    .map((panel) => printChart(panel, { ...options, width }))
    .join("\n\n");
}
