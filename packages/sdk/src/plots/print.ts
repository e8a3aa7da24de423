/** Charts as text for a terminal. */
import { bar, sparkline, table } from "../core/text.ts";
import type { AttentionChart, BarChart, Chart, GraphChart, LineChart, PanelsChart, ScatterChart } from "./chart.ts";
import { checkChart } from "./check.ts";
import { fitCells, visible } from "./label.ts";
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

/** Most rows of bars, edges and series. */
const MOST = 40;
const MOST_HEADS = 6;

/**
 * A small table, bars, sparklines or a map of shades: what fits a terminal. What is left out is counted.
 *
 * @throws E_SHAPE, E_NAME as {@link drawSvg}.
 */
export function printChart(chart: Chart, options: PrintOptions = {}): string {
  checkChart(chart);
  const width = Math.max(40, Math.min(1000, Math.floor(options.width ?? 100) || 100));
  const heading = [chart.title, chart.caption ?? ""].filter((line) => line !== "").map((line) => visible(line));
  return [...heading, body(chart, width, options)].filter((part) => part !== "").join("\n");
}

function body(chart: Chart, width: number, options: PrintOptions): string {
  switch (chart.kind) {
    case "heatmap":
      return printHeatmap(chart, width, options.color === true && !noColour());
    case "bars":
      return bars(chart, width);
    case "lines":
      return lines(chart, width);
    case "scatter":
      return scatter(chart, width);
    case "attention":
      return attention(chart, width);
    case "graph":
      return graph(chart, width);
    case "panels":
      return panels(chart, width, options);
  }
}

/** https://no-color.org */
function noColour(): boolean {
  return typeof process !== "undefined" && (process.env?.NO_COLOR ?? "") !== "";
}

function label(text: string, most = 32): string {
  return fitCells(visible(text), most);
}

function left(count: number, shown: number, what: string): string {
  return count > shown ? `\n… ${(count - shown).toLocaleString("en")} more${what === "" ? "" : ` ${what}`}` : "";
}

/** Bars from 0: to the left of a common line for what is below it. */
function bars({ x, series, unit }: BarChart, width: number): string {
  const values = series.flatMap((s) => Array.from(s.values));
  const [lo, hi] = extent(values) ?? [0, 0];
  const [below, above] = [Math.max(0, -lo), Math.max(0, hi)];
  const cells = Math.max(6, Math.min(40, Math.floor((width - 36 - 12 * series.length) / Math.max(1, series.length))));
  const minus = below === 0 ? 0 : Math.max(1, Math.round((cells * below) / (below + above)));
  const plus = Math.max(1, cells - minus);
  const peak = Math.max(below / Math.max(1, minus), above / plus) || 1;
  const drawn = (v: number): string => {
    if (!Number.isFinite(v)) return " ".repeat(minus + plus);
    const length = Math.min(1, Math.abs(v) / peak / (v < 0 ? minus : plus));
    return v < 0 ? "█".repeat(Math.round(length * minus)).padStart(minus) + " ".repeat(plus) : " ".repeat(minus) + bar(length, plus);
  };
  const rows = strongest(x.labels.length, (i) => Math.max(...series.map((s) => Math.abs(s.values[i] as number) || 0))).map((i) => [
    label(x.labels[i] as string),
    ...series.flatMap((s) => [plainNumber(s.values[i] as number), drawn(s.values[i] as number)]),
  ]);
  const head = [x.name, ...series.flatMap((s) => [series.length === 1 ? (unit ?? s.name) : label(s.name, 16), ""])];
  const note = series.length > 1 && unit ? `\n(${unit})` : "";
  return (
    table(
      [head, ...rows],
      series.map((_, s) => 1 + 2 * s),
    ) +
    left(x.labels.length, MOST, "with smaller values") +
    note
  );
}

/** Places of the largest sizes, as many as are printed, in their own order. */
function strongest(count: number, size: (i: number) => number): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (count <= MOST) return all;
  const kept = new Set([...all].sort((a, b) => size(b) - size(a)).slice(0, MOST));
  return all.filter((i) => kept.has(i));
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
    hi > lo ? Math.round(((v - lo) / (hi - lo)) * (n - 1)) : (n - 1) >> 1;
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
  return chart.panels.map((panel) => printChart(panel, { ...options, width })).join("\n\n");
}
