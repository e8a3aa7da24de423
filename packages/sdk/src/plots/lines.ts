/** Draws lines. */
import type { LineChart } from "./chart.ts";
import { type Box, entries, footOf, horizontalAxis, nameWidth, nothing, tickWidth, verticalAxis } from "./frame.ts";
import { dashOf } from "./marks.ts";
import type { Paint } from "./paint.ts";
import { type Axis, extent, linearAxis, logAxis, shortText, tightAxis } from "./scale.ts";
import { type Part, px, tipOf } from "./shapes.ts";

/** Lines with at most so many points show each of them. */
const MOST_DOTS = 40;

/** Lines over numbers, a legend above when there are several. */
export function drawLines(chart: LineChart, room: number, paint: Paint): Part {
  const xs = Array.from(chart.x.values);
  const [xRange, yRange] = [extent(xs, chart.x.log), extent(allValues(chart), chart.log)];
  if (xRange === null || yRange === null) return { width: 200, height: 40, body: nothing(200, 40, paint) };
  const y = chart.log ? logAxis(yRange, 5) : linearAxis(yRange, 6);
  const whole = xs.every(Number.isInteger);
  const width = Math.max(120, Math.min(560, room - tickWidth(y) - 16));
  const x = chart.x.log ? logAxis(xRange, width / 60) : tightAxis(xRange, width / 60, whole);
  const marks = chart.series.map(({ name }, s) => ({ name, mark: stroke(paint, s, "M0 6h18") }));
  const key = chart.series.length > 1 ? entries(marks, Math.max(200, width + tickWidth(y)), paint) : { width: 0, height: 0, body: "" };
  const box: Box = { x: tickWidth(y), y: key.height + 24, width, height: Math.max(120, Math.min(280, width * 0.5)) };
  const name = chart.unit ?? (chart.series.length === 1 ? (chart.series[0]?.name ?? "") : "");
  const body = [
    key.body,
    verticalAxis(y, box, name, paint, room),
    horizontalAxis(x, box, chart.x.name, paint),
    ...chart.series.map(({ name, values }, s) => drawSeries(name, xs, values, x, y, box, s, paint)),
  ];
  return {
    width: Math.max(key.width, box.x + width + 14, nameWidth(name, room)),
    height: box.y + box.height + footOf(chart.x.name),
    body: body.join(""),
  };
}

function* allValues({ series }: LineChart): Iterable<number> {
  for (const { values } of series) yield* Array.from(values);
}

function stroke(paint: Paint, s: number, d: string): string {
  const dash = dashOf(s);
  return `<path d="${d}" fill="none" stroke="${paint.series(s)}" stroke-width="1.8" stroke-linejoin="round"${dash ? ` stroke-dasharray="${dash}"` : ""}/>`;
}

function drawSeries(name: string, xs: readonly number[], values: ArrayLike<number>, x: Axis, y: Axis, box: Box, s: number, paint: Paint): string {
  const points = xs.map((v, i): Point => ({ x: box.x + box.width * x.place(v), y: box.y + box.height * (1 - y.place(values[i] as number)), i }));
  const line = stroke(paint, s, pathOf(thinned(points, box.width)));
  const finite = points.filter(isDrawn);
  const dots =
    finite.length > MOST_DOTS
      ? []
      : finite.map((p) => dot(p, `${name}: ${shortText(values[p.i] as number)} at ${shortText(xs[p.i] as number)}`, paint.series(s)));
  return `<g>${tipOf(name)}${line}${dots.join("")}</g>`;
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly i: number;
}

function isDrawn({ x, y }: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

function dot({ x, y }: Point, tip: string, fill: string): string {
  return `<circle cx="${px(x)}" cy="${px(y)}" r="2.6" fill="${fill}">${tipOf(tip)}</circle>`;
}

/** Gaps where there is no value. */
function pathOf(points: readonly Point[]): string {
  let open = false;
  return points
    .map((p) => {
      const command = isDrawn(p) ? `${open ? "L" : "M"}${px(p.x)} ${px(p.y)}` : "";
      open = command !== "";
      return command;
    })
    .join("");
}

/** Of more points than pixels, the highest and the lowest of each pixel, in order. */
function thinned(points: readonly Point[], width: number): readonly Point[] {
  if (points.length <= 4 * width) return points;
  const kept: Point[] = [];
  const size = points.length / (2 * width);
  for (let from = 0; from < points.length; from += size) {
    const part = points.slice(Math.floor(from), Math.floor(from + size)).filter(isDrawn);
    if (part.length === 0) continue;
    const low = part.reduce((a, b) => (b.y > a.y ? b : a));
    const high = part.reduce((a, b) => (b.y < a.y ? b : a));
    kept.push(...(low.i < high.i ? [low, high] : low.i > high.i ? [high, low] : [low]));
  }
  return kept;
}
