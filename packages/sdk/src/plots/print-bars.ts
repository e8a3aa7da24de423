/** Bars as text. */
import { bar, table } from "../core/text.ts";
import type { BarChart } from "./chart.ts";
import { fitCells, visible } from "./label.ts";
import { extent, plainNumber } from "./scale.ts";

/** Most rows of a table. */
export const MOST = 40;
/** Longest unit that stands over its numbers. */
const UNIT = 16;

/** A row for every name with its numbers and bars. */
export function printBars({ x, series, unit }: BarChart, width: number): string {
  const draw = bothWays(
    series.flatMap((s) => Array.from(s.values)),
    Math.floor((width - 36 - 12 * series.length) / Math.max(1, series.length)),
  );
  const rows = strongest(x.labels.length, (i) => Math.max(...series.map((s) => Math.abs(s.values[i] as number) || 0))).map((i) => [
    label(x.labels[i] as string),
    ...series.flatMap((s) => [plainNumber(s.values[i] as number), draw(s.values[i] as number)]),
  ]);
  const [only] = series.length === 1 ? series : [];
  const what = unit ?? only?.name ?? "";
  const over = only !== undefined && what.length <= UNIT;
  const head = [x.name, ...series.flatMap((s) => [over ? what : only ? "" : label(s.name, UNIT), ""])];
  const numbers = series.map((_, s) => 1 + 2 * s);
  return table([head, ...rows], numbers) + left(x.labels.length, MOST, "with smaller values") + (over || what === "" ? "" : `\n(${what})`);
}

/** Draws bars from a common 0: to its left what is below it. */
function bothWays(values: readonly number[], width: number): (v: number) => string {
  const [lo, hi] = extent(values) ?? [0, 0];
  const [below, above] = [Math.max(0, -lo), Math.max(0, hi)];
  const cells = Math.max(6, Math.min(40, width));
  const minus = below === 0 ? 0 : Math.max(1, Math.round((cells * below) / (below + above)));
  const plus = Math.max(1, cells - minus);
  const cell = Math.max(below / Math.max(1, minus), above / plus) || 1;
  return (v) => {
    if (!Number.isFinite(v)) return " ".repeat(minus + plus);
    if (v < 0) return "█".repeat(Math.min(minus, Math.round(-v / cell))).padStart(minus) + " ".repeat(plus);
    return " ".repeat(minus) + bar(v / cell / plus, plus);
  };
}

/** Places of the largest sizes, as many as are printed, in their own order. */
function strongest(count: number, size: (i: number) => number): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (count <= MOST) return all;
  const kept = new Set([...all].sort((a, b) => size(b) - size(a)).slice(0, MOST));
  return all.filter((i) => kept.has(i));
}

/** A name in a table. */
export function label(text: string, most = 32): string {
  return fitCells(visible(text), most);
}

/** How many rows are not printed. */
export function left(count: number, shown: number, what: string): string {
  return count > shown ? `\n… ${(count - shown).toLocaleString("en")} more${what === "" ? "" : ` ${what}`}` : "";
}
