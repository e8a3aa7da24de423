/** Heat maps as text: numbers (or the texts of cells) where they fit, else a shade a cell; with colours behind them where a terminal has some. */
import type { HeatmapChart } from "./chart.ts";
import { type Colouring, levelOf } from "./grid.ts";
import { colouring } from "./heatmap.ts";
import { cellCount, fitCells, padCells, visible } from "./label.ts";
import { LEVELS } from "./paint.ts";
import { shade } from "./print-shades.ts";
import { cellFormat, largest, plainNumber } from "./scale.ts";
import { inkOver, RAMPS, type Rgb, rampColour } from "./theme.ts";

const MOST_ROWS = 48;

/** The rows of the map with its labels, cut to a terminal. */
export function printHeatmap(given: HeatmapChart, width: number, colour: boolean): string {
  const chart = { ...given, x: { ...given.x, name: visible(given.x.name) }, y: { ...given.y, name: visible(given.y.name) } };
  const colours = colouring(chart);
  const rows = Math.min(MOST_ROWS, chart.y.labels.length);
  const names = chart.y.labels.slice(0, rows).map((l) => fitCells(visible(l), 20));
  const side = Math.max(chart.y.name.length, ...names.map(cellCount));
  const [format, cell] = cellsFor(chart, width - side - 1, colours);
  const columns = Math.min(chart.x.labels.length, Math.max(1, Math.floor((width - side - 1) / cell)));
  const line = (r: number): string => {
    const cells = Array.from({ length: columns }, (_, c) =>
      paint(format(r, c), chart.values[r * chart.x.labels.length + c] as number, colours, colour),
    );
    return `${padCells(names[r] as string, side)} ${cells.join("")}`.trimEnd();
  };
  const missing = [
    chart.y.labels.length > rows ? `${chart.y.labels.length - rows} more down (${chart.y.name})` : "",
    chart.x.labels.length > columns ? `${chart.x.labels.length - columns} more to the right (${chart.x.name})` : "",
  ].filter((m) => m !== "");
  return [
    ...heads(chart, columns, cell, side),
    ...Array.from({ length: rows }, (_, r) => line(r)),
    ...(missing.length > 0 ? [`… ${missing.join(", ")}`] : []),
    scaleLine(chart, colours, cell),
  ].join("\n");
}

/** How cells are written, and how wide they are. */
function cellsFor(chart: HeatmapChart, room: number, colours: Colouring): [(r: number, c: number) => string, number] {
  const columns = chart.x.labels.length;
  const at = (r: number, c: number): number => chart.values[r * columns + c] as number;
  if (chart.text) {
    const texts = chart.text.map((t) => visible(t));
    const widest = largest(texts.map(cellCount), 3);
    const cell = Math.max(6, Math.min(widest + 1, 12, Math.floor(room / Math.max(1, columns))));
    return [(r, c) => padCells(fitCells(texts[r * columns + c] as string, cell - 1), cell), cell];
  }
  const format = cellFormat(Math.max(Math.abs(colours.lo), Math.abs(colours.hi)));
  const number = (x: number): string => format(x).replaceAll("−", "-");
  if (columns * 4 <= room && chart.values.length <= 2000) {
    const needed = 1 + Math.max(2, ...Array.from(chart.values, (v) => number(v).length));
    const named = 1 + Math.min(5, largest(chart.x.labels.map((l) => cellCount(visible(l)))));
    const cell = columns * named <= room ? Math.max(needed, named) : needed;
    if (columns * cell <= room) return [(r, c) => padCells(number(at(r, c)), cell), cell];
  }
  return [(r, c) => shaded(at(r, c), colours), 2];
}

/** Two characters: shades above 0 (or of a sequential scale), dashes below. */
function shaded(value: number, { ramp, lo, hi }: Colouring): string {
  if (Number.isNaN(value)) return "  ";
  if (ramp === "sequential") return shade((value - lo) / (hi - lo)).repeat(2);
  const share = value / hi;
  if (share >= 0) return share < 0.125 ? "··" : shade(share).repeat(2);
  return share > -0.125 ? "··" : share > -0.5 ? "--" : share > -0.8 ? "==" : "≡≡";
}

/** Column labels over their cells, as many as there is room for; upright ones would be hard to read. */
function heads({ x, y }: HeatmapChart, columns: number, cell: number, side: number): string[] {
  const labels = x.labels.slice(0, columns).map((l) => visible(l));
  const widest = largest(labels.map(cellCount));
  const every = cell >= 5 ? 1 : Math.max(1, Math.ceil((Math.min(widest, 8) + 1) / cell));
  const room = every * cell - 1;
  const line = labels
    .map((l, c) => (c % every === 0 ? (every === 1 ? padCells(fitCells(l, room), cell) : ` ${fitCells(l, room).padEnd(room)}`) : ""))
    .join("");
  return [`${padCells("", side)} ${x.name} →`, `${padCells(y.name, side)} ${line.slice(0, columns * cell)}`.trimEnd()];
}

function scaleLine({ unit }: HeatmapChart, { ramp, lo, hi }: Colouring, cell: number): string {
  const shades = cell > 2 ? "" : ramp === "sequential" ? "  ░▒▓█" : "  ≡=-·░▒▓█";
  return `${unit ? `${visible(unit)}: ` : ""}${plainNumber(lo)} to ${plainNumber(hi)}${shades}`;
}

function paint(text: string, value: number, colours: Colouring, colour: boolean): string {
  if (!colour || Number.isNaN(value)) return text;
  const background = rampColour(RAMPS[colours.ramp].light, levelOf(colours, value) / (LEVELS - 1));
  return `\u001b[48;5;${ansi(background)};38;5;${inkOver(background) === "#ffffff" ? 231 : 16}m${text}\u001b[0m`;
}

/** The nearest of the 6 x 6 x 6 colours that terminals share. */
function ansi(colour: Rgb): number {
  const [r, g, b] = colour.map((c) => (c < 48 ? 0 : c < 115 ? 1 : Math.min(5, Math.floor((c - 35) / 40)))) as [number, number, number];
  return 16 + 36 * r + 6 * g + b;
}
