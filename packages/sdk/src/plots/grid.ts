/** Cells of heat maps and attention patterns: boxes in rows and columns, their labels and the legend of their colours. */
import { shorten, type Type, visible, widthOf } from "./label.ts";
import { LEVELS, type Paint } from "./paint.ts";
import { largest, shortText } from "./scale.ts";
import { type Part, px, rectAt, textAt, tipOf } from "./shapes.ts";
import type { RampName } from "./theme.ts";

/** Which colour a number has. */
export interface Colouring {
  readonly ramp: RampName;
  /** Value of the first step. */
  readonly lo: number;
  /** Value of the last. */
  readonly hi: number;
}

/** The step of a value; NaN has none. */
export function levelOf({ lo, hi }: Colouring, value: number): number {
  if (Number.isNaN(value)) return Number.NaN;
  const share = hi > lo ? (Math.max(lo, Math.min(hi, value)) - lo) / (hi - lo) : 0.5;
  return Math.round(share * (LEVELS - 1));
}

/** Numbers in cells. */
export interface Cells {
  readonly rows: number;
  readonly columns: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  readonly colouring: Colouring;
  value(row: number, column: number): number;
  /** What the pointer says of a cell. */
  tip(row: number, column: number): string;
  /** What stands in a cell. */
  text?(row: number, column: number): string;
  readonly mono?: boolean;
}

/** Above this many cells, those of a colour become one shape and say nothing under the pointer. */
const MOST_TIPS = 10_000;
/** Letters in cells. */
export const CELL_TYPE = { size: 10 };

/** Draws the cells with a frame around them, at (0, 0). */
export function drawCells(cells: Cells, paint: Paint): string {
  const [width, height] = [cells.columns * cells.cellWidth, cells.rows * cells.cellHeight];
  const body = cells.rows * cells.columns > MOST_TIPS ? shapes(cells, paint) : boxes(cells, paint);
  const frame = `<rect x="-0.5" y="-0.5" width="${px(width + 1)}" height="${px(height + 1)}" fill="none" stroke="${paint.colour("line-2")}"/>`;
  return `<g${cells.text ? "" : ' shape-rendering="crispEdges"'}>${body}</g>${frame}`;
}

function boxes(cells: Cells, paint: Paint): string {
  const { rows, columns, cellWidth: w, cellHeight: h, colouring } = cells;
  const gap = Math.min(w, h) >= 12 ? 1 : 0;
  const type: Type = { ...CELL_TYPE, mono: cells.mono ?? false };
  const out: string[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const level = levelOf(colouring, cells.value(r, c));
      const text = cells.text?.(r, c) ?? "";
      if (Number.isNaN(level) && text === "") continue;
      const fill = Number.isNaN(level) ? "none" : paint.level(colouring.ramp, level);
      const box = `<rect x="${px(c * w)}" y="${px(r * h)}" width="${px(w - gap)}" height="${px(h - gap)}" fill="${fill}"`;
      const tip = tipOf(cells.tip(r, c));
      if (text === "") {
        out.push(`${box}>${tip}</rect>`);
        continue;
      }
      const ink = Number.isNaN(level) ? paint.colour("ink-2") : paint.over(colouring.ramp, level);
      const letters = textAt((c + 0.5) * w - gap / 2, (r + 0.5) * h + 3.4, shorten(text, w - 4, type), { ...type, fill: ink, anchor: "middle" });
      out.push(`<g>${tip}${box}/>${letters}</g>`);
    }
  }
  return out.join("");
}

/** One path a colour: neighbours in a row are one box. */
function shapes({ rows, columns, cellWidth: w, cellHeight: h, colouring, value }: Cells, paint: Paint): string {
  const paths = Array.from({ length: LEVELS }, (): string[] => []);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; ) {
      const level = levelOf(colouring, value(r, c));
      const from = c++;
      while (c < columns && levelOf(colouring, value(r, c)) === level) c++;
      paths[level]?.push(`M${px(from * w)} ${px(r * h)}h${px((c - from) * w)}v${px(h)}h${px((from - c) * w)}z`);
    }
  }
  return paths.map((path, level) => (path.length > 0 ? `<path fill="${paint.level(colouring.ramp, level)}" d="${path.join("")}"/>` : "")).join("");
}

const LABEL: Type = { size: 11 };
const NAME: Type = { size: 11 };
/** Pixels of the longest label. */
const LONGEST = 130;
const LONGEST_COLUMN = 100;

/** Labels of rows, to the left of the cells: right edge at x = 0. Too many are thinned, evenly. */
export function rowLabels(labels: readonly string[], height: number, paint: Paint, type: Type = LABEL, longest: number = LONGEST): Part {
  const every = Math.ceil((type.size + 1) / height);
  const shown = labels.map((l) => shorten(visible(l), longest, type));
  const texts = shown.map((l, r) =>
    r % every === 0 ? textAt(-6, (r + 0.5) * height + 0.36 * type.size, l, { ...type, fill: paint.colour("ink-2"), anchor: "end" }) : "",
  );
  return { width: 6 + widest(shown, type), height: labels.length * height, body: texts.join("") };
}

/** Labels of columns, below the cells (top at y = 0) or above them (bottom at y = 0): level where they fit, else slanted or upright, and thinned where there is no room. */
export function columnLabels(
  labels: readonly string[],
  width: number,
  paint: Paint,
  { type = LABEL, above = false, longest = LONGEST_COLUMN }: { type?: Type; above?: boolean; longest?: number } = {},
): Part & { readonly over: number } {
  const shown = labels.map((l) => shorten(visible(l), longest, type));
  const widestLabel = widest(shown, type);
  const style = { ...type, fill: paint.colour("ink-2") };
  if (widestLabel + 6 <= width) {
    const y = above ? -5 : type.size + 3;
    const body = shown.map((l, c) => textAt((c + 0.5) * width, y, l, { ...style, anchor: "middle" })).join("");
    return { width: 0, height: type.size + 7, body, over: 0 };
  }
  const slanted = width >= 1.5 * type.size;
  const every = slanted ? 1 : Math.ceil((type.size + 1.5) / width);
  const [angle, anchor] = above ? [slanted ? -45 : -90, "start" as const] : [slanted ? -45 : -90, "end" as const];
  const [sin, cos] = slanted ? [Math.SQRT1_2, Math.SQRT1_2] : [1, 0];
  const body = shown.map((l, c) => {
    if (c % every !== 0) return "";
    const x = (c + 0.5) * width + (slanted ? (above ? -0.1 : 0.45) : 0.36) * type.size;
    return textAt(x, above ? -5 : slanted ? type.size + 1 : 6, l, { ...style, anchor, rotate: angle });
  });
  const reach = above ? shown.map((l, c) => (c + 0.5) * width + widthOf(l, type) * cos - labels.length * width) : [0];
  const over = largest(reach);
  return { width: 0, height: widestLabel * sin + (slanted ? type.size + 4 : 10), body: body.join(""), over };
}

/** How far the first slanted labels below reach to the left of the cells. */
export function leftReach(labels: readonly string[], width: number, type: Type = LABEL): number {
  const shown = labels.map((l) => shorten(visible(l), LONGEST_COLUMN, type));
  if (widest(shown, type) + 6 <= width || width < 1.5 * type.size) return 0;
  return largest(shown.map((l, c) => widthOf(l, type) * Math.SQRT1_2 - (c + 0.5) * width));
}

function widest(labels: readonly string[], type: Type): number {
  return labels.reduce((most, l) => Math.max(most, widthOf(l, type)), 0);
}

/** What the colours mean: `unit  lo [steps] hi`. */
export function legend({ ramp, lo, hi }: Colouring, unit: string, room: number, paint: Paint): Part {
  const type = LABEL;
  const ends = [shortText(lo), shortText(hi)] as const;
  const bar = Math.max(48, Math.min(120, room / 3));
  const fixed = widthOf(ends[0], type) + widthOf(ends[1], type) + bar + 24;
  const beside = widthOf(unit, type) + fixed <= room;
  const name = shorten(unit, beside ? room : Math.max(120, room), type);
  const left = beside && unit !== "" ? widthOf(name, type) + 10 : 0;
  const down = beside ? 0 : 17;
  const x = left + widthOf(ends[0], type) + 6;
  const step = bar / LEVELS;
  const strips = Array.from({ length: LEVELS }, (_, i) => rectAt(x + i * step, down + 3, step + (i < LEVELS - 1 ? 0.5 : 0), 9, paint.level(ramp, i)));
  const style = { ...type, fill: paint.colour("ink-2") };
  const zero =
    ramp === "diverging" && lo < 0 && hi > 0 ? `<path d="M${px(x - (lo / (hi - lo)) * bar)} ${down + 12}v3" stroke="${paint.colour("ink-2")}"/>` : "";
  const body = [
    name === "" ? "" : textAt(0, 12, name, { ...style, fill: paint.colour("ink") }),
    textAt(x - 5, down + 12, ends[0], { ...style, anchor: "end" }),
    ...strips,
    zero,
    textAt(x + bar + 5, down + 12, ends[1], style),
  ];
  const width = Math.max(x + bar + 5 + widthOf(ends[1], type), beside ? 0 : widthOf(name, type));
  return { width, height: 22 + down, body: `<g>${tipOf(`${unit || "value"} from ${ends[0]} to ${ends[1]}`)}${body.join("")}</g>` };
}

/** Name of an axis. */
export function axisName(
  x: number,
  y: number,
  name: string,
  room: number,
  paint: Paint,
  anchor: "start" | "middle" | "end",
  rotate?: number,
): string {
  if (name === "") return "";
  return textAt(x, y, shorten(name, Math.max(40, room), NAME), {
    ...NAME,
    fill: paint.colour("ink-3"),
    anchor,
    ...(rotate === undefined ? {} : { rotate }),
  });
}
