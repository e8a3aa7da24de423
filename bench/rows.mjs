/**
 * What a measurement is written as, and how it is printed.
 *
 * A row: `name`, `shape`, `isa` (or the peer's name), `threads`, `unit`, `median`, `p10`, `p90` (rates: more is better; times: less is better), and where they
 * make sense `toScalar` (times faster than our scalar kernel), `toPeer` (times faster than each peer of the same run) and `limit` with `share`.
 */

const LOWER_IS_BETTER = new Set(["ms", "us"]);

/** How many times better `row` is than `other`. */
export const timesBetter = (row, other) => (LOWER_IS_BETTER.has(row.unit) ? other.median / row.median : row.median / other.median);

/** The row's value as a share of a limit `{ name, value }` in the same unit; nothing when the limit is unknown. */
export function withLimit(row, limit) {
  if (!limit) return row;
  const share = LOWER_IS_BETTER.has(row.unit) ? limit.value / row.median : row.median / limit.value;
  return { ...row, limit: { name: limit.name, value: rounded(limit.value) }, share: rounded(share) };
}

export const rounded = (x) => (typeof x === "number" && Number.isFinite(x) ? Number(x.toPrecision(4)) : x);

const COLUMNS = [
  ["name", (row) => row.name],
  ["shape", (row) => row.shape ?? ""],
  ["by", (row) => row.isa ?? ""],
  ["T", (row) => String(row.threads ?? "")],
  ["median", (row) => `${fixed(row.median)} ${row.unit}`],
  ["p10-p90", (row) => `${fixed(row.p10)}-${fixed(row.p90)}`],
  ["x scalar", (row) => times(row.toScalar)],
  [
    "x peer",
    (row) =>
      Object.entries(row.toPeer ?? {})
        .map(([peer, x]) => `${times(x)} ${peer}`)
        .join(", "),
  ],
  ["limit", (row) => (row.share === undefined ? "" : `${(row.share * 100).toFixed(0)} % of ${row.limit.name}`)],
];

const fixed = (x) => (x === undefined ? "" : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const times = (x) => (x === undefined ? "" : `${fixed(x)}x`);

/** Prints rows as a table; columns nobody fills are left out. */
export function printRows(rows) {
  const filled = COLUMNS.map(([head, text]) => [head, ...rows.map(text)]).filter(([, ...cells]) => cells.some((cell) => cell !== ""));
  const widths = filled.map((cells) => Math.max(...cells.map((cell) => cell.length)));
  for (let line = 0; line <= rows.length; line++)
    console.log(
      filled
        .map((cells, i) => cells[line].padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    );
}
