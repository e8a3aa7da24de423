/** Small drawings in text: bars, sparklines, tables. */

const BLOCKS = " ▏▎▍▌▋▊▉█";
const LEVELS = "▁▂▃▄▅▆▇█";

/** A bar `width` cells wide, filled to a share of 1 in eighths of a cell. */
export function bar(share: number, width: number): string {
  const filled = Number.isFinite(share) ? Math.max(0, Math.min(1, share)) : 0;
  const eighths = Math.round(filled * width * 8);
  const full = Math.floor(eighths / 8);
  const rest = full < width ? (BLOCKS[eighths % 8] ?? " ") : "";
  return "█".repeat(full) + rest + " ".repeat(Math.max(0, width - full - rest.length));
}

/** A sparkline of at most `width` cells between `lo` and `hi` (their own range when left out). Values that are not finite leave a gap. */
export function sparkline(values: readonly number[], width: number, lo?: number, hi?: number): string {
  const cells = resample(values, width);
  const finite = cells.filter(Number.isFinite);
  const from = lo ?? Math.min(...finite);
  const to = hi ?? Math.max(...finite);
  const level = (v: number): string => LEVELS[to > from ? Math.max(0, Math.min(7, Math.floor(((v - from) / (to - from)) * 8))) : 0] ?? " ";
  return cells.map((v) => (Number.isFinite(v) ? level(v) : " ")).join("");
}

/** Means over equal stretches. */
function resample(values: readonly number[], width: number): number[] {
  if (values.length <= width) return [...values];
  return Array.from({ length: width }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / width), Math.floor(((i + 1) * values.length) / width));
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
}

/** Columns padded to their widest cell; `right` names columns whose cells stand on the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, c) => Math.max(...rows.map((r) => (r[c] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, c) => (right.includes(c) ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0))).join("  ");
  return rows.map((r) => line(r).trimEnd()).join("\n");
}

/** 0.0123, 1.2e-7. */
export function shortNumber(x: number | null | undefined): string {
  if (x === null || x === undefined || !Number.isFinite(x)) return "-";
  return x !== 0 && Math.abs(x) < 1e-3 ? x.toExponential(1) : Math.abs(x) >= 100 ? x.toFixed(0) : x.toPrecision(3);
}

/** 0.9987 as 99.9 %. */
export function percent(x: number | null | undefined): string {
  return x === null || x === undefined || !Number.isFinite(x) ? "-" : `${(100 * x).toFixed(1)} %`;
}

/** 3120 as 3,120. */
export function integer(x: number): string {
  return Math.round(x).toLocaleString("en");
}
