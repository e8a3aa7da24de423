/**
 * What a measurement is written as, and how it is printed.
 *
 * A row: `name`, `shape`, `isa` (or the peer's name), `threads`, `unit`, `median`, `p10`, `p90` (rates: more is better; times: less is better), and where they
 * make sense `toScalar` (times faster than our scalar kernel), `toPeer` (times faster than each peer of the same run; the peer's own row has it as `oursIs`) and
 * `limit` with `share`.
 */

const LOWER_IS_BETTER = new Set(["ms", "us", "MiB", "% more"]);

/** How many times better `row` is than `other`. */
export const timesBetter = (row, other) => (LOWER_IS_BETTER.has(row.unit) ? other.median / row.median : row.median / other.median);

/** The row's value as a share of a limit `{ name, value }` in the same unit; nothing when the limit is unknown. */
export function withLimit(row, limit) {
  if (!limit) return row;
  const share = LOWER_IS_BETTER.has(row.unit) ? limit.value / row.median : row.median / limit.value;
  return { ...row, limit: { name: limit.name, value: rounded(limit.value) }, share: rounded(share) };
}

export const rounded = (x) => (typeof x === "number" && Number.isFinite(x) ? Number(x.toPrecision(4)) : x);

/** Head, width, text. */
const COLUMNS = [
  ["name", 31, (row) => row.name],
  ["shape", 25, (row) => row.shape ?? ""],
  ["by", 23, (row) => row.isa ?? ""],
  ["T", 2, (row) => String(row.threads ?? "")],
  ["median", 12, (row) => `${fixed(row.median)} ${row.unit}`],
  ["p10-p90", 12, (row) => (row.p10 === undefined ? "" : `${fixed(row.p10)}-${fixed(row.p90)}`)],
  ["x scalar", 9, (row) => times(row.toScalar)],
  ["ours is", 9, (row) => times(row.oursIs)],
  ["limit", 0, (row) => (row.share === undefined ? "" : `${(row.share * 100).toFixed(0)} % of ${row.limit.name}`)],
];

const fixed = (x) => (x === undefined ? "" : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const times = (x) => (x === undefined ? "" : `${fixed(x)}x`);

export const printHead = () => console.log(COLUMNS.map(([head, width]) => head.padEnd(width)).join(" "));

/** Prints rows under the head. */
export function printRows(rows) {
  for (const row of rows)
    console.log(
      COLUMNS.map(([, width, text]) => text(row).padEnd(width))
        .join(" ")
        .trimEnd(),
    );
}
