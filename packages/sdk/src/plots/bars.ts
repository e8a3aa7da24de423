/** Draws bars. */
import type { BarChart } from "./chart.ts";
import { type Box, entries, footOf, horizontalAxis, nameWidth, nothing, tickWidth, verticalAxis } from "./frame.ts";
import { axisName, columnLabels, leftReach, rowLabels } from "./grid.ts";
import { visible, widthOf } from "./label.ts";
import type { Paint } from "./paint.ts";
import { cellFormat, extent, largest, linearAxis, shortText } from "./scale.ts";
import { moved, type Part, rectAt, textAt } from "./shapes.ts";

/** Most bars of a series. */
const MOST = 600;
const VALUE = { size: 10 };

/** Bars that stand, or, where their names are long, bars that lie. */
export function drawBars(given: BarChart, room: number, paint: Paint): Part {
  const chart = fewer(given);
  const count = chart.x.labels.length;
  if (count === 0 || chart.series.length === 0) return { width: 200, height: 40, body: nothing(200, 40, paint) };
  const longest = largest(chart.x.labels.map((l) => widthOf(visible(l), { size: 11 })));
  const body = count <= 30 && longest + 6 > (room - 60) / count ? lying(chart, room, paint) : standing(chart, room, paint);
  if (chart.series.length < 2) return body;
  const marks = chart.series.map(({ name }, s) => ({ name, mark: rectAt(3, 1, 12, 10, paint.series(s)) }));
  const key = entries(marks, Math.max(body.width, 240), paint);
  return { width: Math.max(key.width, body.width), height: key.height + body.height, body: key.body + moved(0, key.height, body.body) };
}

/** Of more bars than could be seen, the largest of every few that follow each other. */
function fewer(chart: BarChart): BarChart {
  const every = Math.ceil(chart.x.labels.length / MOST);
  if (every <= 1) return chart;
  const stronger = (a: number, b: number): number => (Math.abs(b) > Math.abs(a) || Number.isNaN(a) ? b : a);
  const pick = (values: ArrayLike<number>): number[] => {
    const all = Array.from(values);
    return Array.from({ length: Math.ceil(all.length / every) }, (_, i) => all.slice(i * every, (i + 1) * every).reduce(stronger));
  };
  const series = chart.series.map(({ name, values }) => ({ name, values: pick(values) }));
  return {
    ...chart,
    series,
    x: { name: `${chart.x.name} (the largest of every ${every})`, labels: chart.x.labels.filter((_, i) => i % every === 0) },
  };
}

function range(chart: BarChart): [number, number] {
  const [lo, hi] = extent(chart.series.flatMap(({ values }) => Array.from(values))) ?? [0, 1];
  return [Math.min(0, lo), Math.max(0, hi)];
}

function tipFor({ x, unit, series }: BarChart, i: number, s: number): string {
  const value = shortText(series[s]?.values[i] as number);
  const of = series.length > 1 ? `${series[s]?.name}: ` : "";
  return `${visible(x.labels[i] as string)}: ${of}${value}${unit ? ` (${unit})` : ""}`;
}

function standing(chart: BarChart, room: number, paint: Paint): Part {
  const [count, groups] = [chart.x.labels.length, chart.series.length];
  const axis = linearAxis(range(chart), 6);
  const left = Math.max(tickWidth(axis), 8);
  const longest = largest(chart.x.labels.map((l) => widthOf(visible(l), { size: 11 })));
  const slot = Math.min(Math.max(24 + 22 * groups, Math.min(84, longest + 10)), (room - left - 8) / count);
  const box: Box = {
    x: Math.max(left, leftReach(chart.x.labels, slot)),
    y: 24,
    width: slot * count,
    height: Math.max(120, Math.min(240, room * 0.4)),
  };
  const at = (v: number): number => box.y + box.height * (1 - axis.place(Math.max(axis.lo, Math.min(axis.hi, v))));
  const [wide, gap] = [(slot * 0.8) / groups, slot * 0.1];
  const bars: string[] = [];
  for (let i = 0; i < count; i++) {
    chart.series.forEach(({ values }, s) => {
      const v = values[i] as number;
      if (Number.isNaN(v)) return;
      const [top, bottom] = [Math.min(at(v), at(0)), Math.max(at(v), at(0))];
      bars.push(
        rectAt(
          box.x + i * slot + gap + s * wide,
          top,
          wide * (groups > 1 ? 0.94 : 1),
          Math.max(0.5, bottom - top),
          paint.series(s),
          tipFor(chart, i, s),
        ),
      );
    });
  }
  const name = chart.unit ?? (groups === 1 ? (chart.series[0]?.name ?? "") : "");
  const below = columnLabels(chart.x.labels, slot, paint);
  const foot = box.y + box.height + 3 + below.height;
  const body = [
    verticalAxis(axis, box, name, paint, room),
    ...bars,
    moved(box.x, box.y + box.height + 3, below.body),
    axisName(box.x + box.width / 2, foot + 12, chart.x.name, box.width + 40, paint, "middle"),
  ];
  return { width: Math.max(box.x + box.width + 8, nameWidth(name, room)), height: foot + (chart.x.name === "" ? 2 : 18), body: body.join("") };
}

function lying(chart: BarChart, room: number, paint: Paint): Part {
  const [count, groups] = [chart.x.labels.length, chart.series.length];
  const thick = groups === 1 ? 14 : Math.max(8, 12 - groups);
  const slot = thick * groups + 6;
  const labels = rowLabels(chart.x.labels, slot, paint, { size: 11 }, Math.max(60, Math.min(220, room * 0.4)));
  const [lo, hi] = range(chart);
  const number = cellFormat(Math.max(-lo, hi));
  const texts = chart.series.map(({ values }) => Array.from(values, (v) => number(v)));
  const longest = groups === 1 ? largest((texts[0] as string[]).map((t) => widthOf(t, VALUE))) + 6 : 6;
  const axis = linearAxis([lo, hi], 6);
  const before = lo < 0 ? longest : 0;
  const box: Box = {
    x: labels.width + before,
    y: 20,
    width: Math.max(80, Math.min(440, room - labels.width - longest - before)),
    height: slot * count,
  };
  const at = (v: number): number => box.x + box.width * axis.place(Math.max(axis.lo, Math.min(axis.hi, v)));
  const bars: string[] = [];
  for (let i = 0; i < count; i++) {
    chart.series.forEach(({ values }, s) => {
      const v = values[i] as number;
      const y = box.y + i * slot + 3 + s * thick;
      const [from, to] = [Math.min(at(v), at(0)), Math.max(at(v), at(0))];
      if (!Number.isNaN(v)) bars.push(rectAt(from, y, Math.max(0.5, to - from), thick - 1, paint.series(s), tipFor(chart, i, s)));
      if (groups > 1) return;
      const text = Number.isNaN(v) ? "no value" : (texts[s]?.[i] as string);
      const place = v < 0 ? { x: from - 4, anchor: "end" as const } : { x: (Number.isNaN(v) ? at(0) : to) + 4, anchor: "start" as const };
      bars.push(
        textAt(place.x, y + thick / 2 + 3, text, { ...VALUE, fill: paint.colour("ink-2"), anchor: place.anchor, halo: paint.colour("paper") }),
      );
    });
  }
  const name = chart.unit ?? (groups === 1 ? (chart.series[0]?.name ?? "") : "");
  const body = [
    axisName(0, 10, chart.x.name, labels.width + 100, paint, "start"),
    horizontalAxis(axis, box, name, paint, true),
    ...bars,
    moved(labels.width, box.y, rowLabels(chart.x.labels, slot, paint, { size: 11 }, Math.max(60, Math.min(220, room * 0.4))).body),
  ];
  return { width: box.x + box.width + longest, height: box.y + box.height + footOf(name), body: body.join("") };
}
