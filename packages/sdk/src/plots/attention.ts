/** Draws attention patterns. */

import type { AttentionChart } from "./chart.ts";
import { axisName, columnLabels, drawCells, legend, rowLabels } from "./grid.ts";
import { coarse } from "./heatmap.ts";
import { visible } from "./label.ts";
import type { Paint } from "./paint.ts";
import { largest } from "./scale.ts";
import { moved, type Part, textAt } from "./shapes.ts";

const TOKEN = { size: 11, mono: true };
const HEAD = { size: 12, bold: true };
const COLOURING = { ramp: "sequential", lo: 0, hi: 1 } as const;
/** Pixels of the longest token. */
const LONGEST = 82;
const GAP = 16;

/** Heads in a grid that share their tokens' labels: rows are queries, columns keys, full colour is all of a query's attention. */
export function drawAttention(given: AttentionChart, room: number, paint: Paint): Part {
  const [{ tokens, heads }, note] = fewer(given);
  const keys = tokens.length;
  const labels = tokens.map((t) => visible(t, true));
  const queries = largest(heads.map((h) => (keys === 0 ? 0 : h.weights.length / keys)));
  const side = rowLabels(labels.slice(keys - queries), 1000, paint, TOKEN, LONGEST);
  const perRow = columnsFor(heads.length, keys, room - side.width - 14);
  const cell = cellFor(keys, (room - side.width - 14) / perRow - GAP);
  const above = columnLabels(labels, cell, paint, { type: TOKEN, above: true, longest: LONGEST });
  const [width, height] = [Math.max(1, keys * cell), Math.max(1, queries * cell)];
  const key = legend(COLOURING, `attention from row to column${note}`, Math.max(perRow * (width + GAP), 320), paint);
  const rows = Math.ceil(heads.length / perRow);
  const names = heads.length > 1 ? 20 : 0;
  const top = key.height + 4 + names + above.height;
  const left = 14 + side.width;
  const step = { x: width + GAP, y: height + GAP + names };
  const parts: string[] = [key.body, axisName(8, top + height / 2, "query", height, paint, "middle", -90)];
  for (let c = 0; c < Math.min(perRow, heads.length); c++) parts.push(moved(left + c * step.x, top, above.body));
  heads.forEach(({ name, weights }, h) => {
    const [x, y] = [left + (h % perRow) * step.x, top + Math.floor(h / perRow) * step.y];
    if (names > 0) parts.push(textAt(x, h < perRow ? key.height + 15 : y - 6, visible(name), { ...HEAD, fill: paint.colour("ink") }));
    parts.push(moved(x, y, head(weights, labels, name, cell, paint)));
  });
  for (let r = 0; r < rows; r++) parts.push(moved(left, top + r * step.y, rowLabels(labels.slice(keys - queries), cell, paint, TOKEN, LONGEST).body));
  return {
    width: Math.max(key.width, left + perRow * step.x - GAP + above.over),
    height: top + rows * step.y - GAP - names,
    body: parts.join(""),
  };
}

/** Of very long texts, means of blocks. */
function fewer(chart: AttentionChart): [chart: AttentionChart, note: string] {
  const keys = chart.tokens.length;
  const maps = chart.heads.map(({ name, weights }) => {
    const y = { name: "", labels: chart.tokens.slice(keys - weights.length / Math.max(1, keys)) };
    const [map, note] = coarse({ kind: "heatmap", title: name, values: weights, x: { name: "", labels: chart.tokens }, y });
    return { name, map, note };
  });
  const [first] = maps;
  if (first === undefined || first.note === "") return [chart, ""];
  return [{ ...chart, tokens: first.map.x.labels, heads: maps.map(({ name, map }) => ({ name, weights: map.values })) }, `; ${first.note}`];
}

/** Heads beside each other: as many as leave room for every key's label, in even rows. */
function columnsFor(heads: number, keys: number, room: number): number {
  const fit = Math.floor((room + GAP) / (Math.min(keys, 40) * (keys <= 20 ? 13 : 8) + GAP));
  const most = Math.max(1, Math.min(heads, 4, fit));
  return Math.ceil(heads / Math.max(1, Math.ceil(heads / most))) || 1;
}

function cellFor(keys: number, room: number): number {
  const cell = Math.max(2, Math.min(18, room / Math.max(1, keys)));
  return cell >= 4 ? Math.floor(cell) : cell;
}

/** The cells of a head; keys after the query stay empty unless something attends to them. */
function head(weights: ArrayLike<number>, labels: readonly string[], name: string, cell: number, paint: Paint): string {
  const keys = labels.length;
  const queries = keys === 0 ? 0 : weights.length / keys;
  const at = (q: number, k: number): number => {
    const weight = weights[q * keys + k] as number;
    return k > keys - queries + q && weight === 0 ? Number.NaN : weight;
  };
  const tip = (q: number, k: number): string => `${name}: ${labels[keys - queries + q]} to ${labels[k]}: ${at(q, k).toFixed(3)}`;
  return drawCells({ rows: queries, columns: keys, cellWidth: cell, cellHeight: cell, colouring: COLOURING, value: at, tip }, paint);
}
