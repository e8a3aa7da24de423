/** Draws heat maps. */
import type { HeatmapChart } from "./chart.ts";
import { axisName, CELL_TYPE, type Colouring, columnLabels, drawCells, leftReach, legend, rowLabels } from "./grid.ts";
import { visible, widthOf } from "./label.ts";
import type { Paint } from "./paint.ts";
import { cellFormat, extent, shortText } from "./scale.ts";
import { moved, type Part } from "./shapes.ts";

/** Most cells along an axis; beyond, a cell shows the mean of a block. */
const MOST = 320;

/** Which colours a heat map uses: about 0 as far in both directions, or from the least to the largest value. */
export function colouring({ values, scale = "diverging", range }: HeatmapChart): Colouring {
  const [lo, hi] = range ?? extent(Array.from(values)) ?? [0, 1];
  if (scale === "sequential") return { ramp: "sequential", lo, hi: hi > lo ? hi : lo + 1 };
  const peak = Math.max(Math.abs(lo), Math.abs(hi)) || 1;
  return { ramp: "diverging", lo: -peak, hi: peak };
}

/** A heat map in `room` pixels at most; cells are as large as their contents want. */
export function drawHeatmap(given: HeatmapChart, room: number, paint: Paint): Part {
  const [chart, note] = coarse(given);
  const [rows, columns] = [chart.y.labels.length, chart.x.labels.length];
  const labels = rowLabels(chart.y.labels, 1000, paint);
  const left = labels.width + (chart.y.name === "" ? 0 : 18);
  const colours = colouring(chart);
  const at = (r: number, c: number): number => chart.values[r * columns + c] as number;
  const number = cellFormat(Math.max(Math.abs(colours.lo), Math.abs(colours.hi)));
  const texts = chart.text?.map((t) => visible(t)) ?? numbers(chart, number);
  const { width: cellWidth, height: cellHeight } = cellSize(rows, columns, room - left - 4, texts, chart.text !== undefined);
  const shown = chart.text !== undefined || (texts !== undefined && cellWidth >= widest(texts) + 4) ? texts : undefined;
  const tip = (r: number, c: number): string => {
    const text = chart.text?.[r * columns + c];
    const value = `${chart.unit ? `${chart.unit} ` : ""}${shortText(at(r, c))}`;
    return `${chart.y.name} ${visible(chart.y.labels[r] as string)}, ${chart.x.name} ${visible(chart.x.labels[c] as string)}: ${text ? `${visible(text)}, ` : ""}${value}`;
  };
  const cells = { rows, columns, cellWidth, cellHeight, colouring: colours, value: at, tip };
  const inner = { width: columns * cellWidth, height: rows * cellHeight };
  const offset = Math.max(left, leftReach(chart.x.labels, cellWidth));
  const empty = chart.text === undefined && Array.from(chart.values).some(Number.isNaN) ? "empty: no value" : "";
  const key = legend(colours, [chart.unit ?? "", note, empty].filter((s) => s !== "").join("; "), Math.max(inner.width, 180), paint);
  const below = columnLabels(chart.x.labels, cellWidth, paint);
  const top = key.height + 6;
  const foot = top + inner.height + 3 + below.height;
  const name = axisName(offset + inner.width / 2, foot + 11, chart.x.name, inner.width + 40, paint, "middle");
  const side = axisName(10, top + inner.height / 2, chart.y.name, inner.height + 20, paint, "middle", -90);
  const body = [
    moved(offset, 0, key.body),
    moved(
      offset,
      top,
      drawCells(shown ? { ...cells, text: (r, c) => shown[r * columns + c] as string, mono: chart.text !== undefined } : cells, paint),
    ),
    moved(offset, top, rowLabels(chart.y.labels, cellHeight, paint).body),
    moved(offset, top + inner.height + 3, below.body),
    name,
    side,
  ];
  return { width: offset + Math.max(inner.width, key.width) + 2, height: foot + (chart.x.name === "" ? 4 : 18), body: body.join("") };
}

/** Numbers in cells, where so few that they can be read. */
function numbers({ values, x, y }: HeatmapChart, number: (x: number) => string): string[] | undefined {
  return x.labels.length <= 24 && y.labels.length <= 40 ? Array.from(values, number) : undefined;
}

function widest(texts: readonly string[]): number {
  return texts.reduce((most, t) => Math.max(most, widthOf(t, CELL_TYPE)), 0);
}

function cellSize(
  rows: number,
  columns: number,
  room: number,
  texts: readonly string[] | undefined,
  words: boolean,
): { width: number; height: number } {
  const most = Math.max(1, room) / Math.max(1, columns);
  if (words) return { width: Math.min(most, Math.max(34, Math.min(84, widest(texts ?? []) * 1.06 + 8))), height: 21 };
  const wanted = texts ? Math.max(28, Math.min(48, widest(texts) + 8)) : 28;
  const width = Math.min(most, wanted);
  // Small maps are square; rows never become so many pixels that a picture cannot be taken in at once.
  const height = Math.max(1, Math.min(width, 24, Math.max(640 / Math.max(1, rows), Math.min(12, width))));
  return { width: width >= 4 ? Math.floor(width) : width, height: height >= 4 ? Math.floor(height) : height };
}

/** Very large maps are drawn from the means of blocks. */
export function coarse(chart: HeatmapChart): [HeatmapChart, note: string] {
  const [rows, columns] = [chart.y.labels.length, chart.x.labels.length];
  const [dr, dc] = [Math.ceil(rows / MOST), Math.ceil(columns / MOST)];
  if (dr * dc === 1) return [chart, ""];
  const [height, width] = [Math.ceil(rows / dr), Math.ceil(columns / dc)];
  const [sums, counts] = [new Float64Array(height * width), new Uint32Array(height * width)];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const v = chart.values[r * columns + c] as number;
      if (!Number.isFinite(v)) continue;
      const i = Math.floor(r / dr) * width + Math.floor(c / dc);
      sums[i] = (sums[i] as number) + v;
      counts[i] = (counts[i] as number) + 1;
    }
  }
  const values = sums.map((s, i) => (counts[i] === 0 ? Number.NaN : s / (counts[i] as number)));
  const thin = (labels: readonly string[], every: number): string[] => labels.filter((_, i) => i % every === 0);
  const { text: _, ...rest } = chart;
  const smaller = { ...rest, values, x: { ...chart.x, labels: thin(chart.x.labels, dc) }, y: { ...chart.y, labels: thin(chart.y.labels, dr) } };
  return [smaller, `means of ${dr} x ${dc} cells`];
}
