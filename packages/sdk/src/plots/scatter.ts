/** Draws points. */
import type { ScatterChart } from "./chart.ts";
import { type Box, entries, footOf, horizontalAxis, nameWidth, nothing, tickWidth, verticalAxis } from "./frame.ts";
import { shorten, visible, widthOf } from "./label.ts";
import { symbolPath } from "./marks.ts";
import type { Paint } from "./paint.ts";
import { extent, linearAxis, shortText } from "./scale.ts";
import { lineAt, type Part, textAt, tipOf } from "./shapes.ts";

const LABEL = { size: 10 };
/** Above this many points none says anything under the pointer. */
const MOST_TIPS = 5000;

/** Points; a label is written where there is room for it and stays under the pointer where there is none. */
export function drawScatter(chart: ScatterChart, room: number, paint: Paint): Part {
  const points = chart.points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
  if (points.length === 0) return { width: 200, height: 40, body: nothing(200, 40, paint) };
  const groups = [...new Set(points.map((p) => p.group ?? ""))];
  const [xs, ys] = [points.map((p) => p.x), points.map((p) => p.y)];
  const both = chart.diagonal ? extent([...xs, ...ys]) : null;
  const y = linearAxis(both ?? (extent(ys) as [number, number]), 5);
  const side = Math.max(140, Math.min(420, room - tickWidth(y) - 16));
  const x = linearAxis(both ?? (extent(xs) as [number, number]), side / 80);
  const marks = groups.map((name, g) => ({ name: name || "other", mark: `<path d="${symbolPath(g, 9, 6, 4)}" fill="${paint.series(g)}"/>` }));
  const key = groups.length > 1 ? entries(marks, side + tickWidth(y), paint) : { width: 0, height: 0, body: "" };
  const box: Box = { x: tickWidth(y), y: key.height + 24, width: side, height: chart.diagonal ? side : side * 0.8 };
  const placed = points.map((p) => ({
    p,
    g: groups.indexOf(p.group ?? ""),
    x: box.x + box.width * x.place(p.x),
    y: box.y + box.height * (1 - y.place(p.y)),
  }));
  const r = points.length > 400 ? 2 : 3.5;
  const marksDrawn = placed.map(({ p, g, x: cx, y: cy }) => {
    const tip = `${p.label ? `${visible(p.label)}: ` : ""}${chart.xName} ${shortText(p.x)}, ${chart.yName} ${shortText(p.y)}`;
    return `<path d="${symbolPath(g, cx, cy, r)}" fill="${paint.series(g)}" fill-opacity="0.85">${points.length > MOST_TIPS ? "" : tipOf(tip)}</path>`;
  });
  const body = [
    key.body,
    verticalAxis(y, box, chart.yName, paint, room),
    horizontalAxis(x, box, chart.xName, paint, true),
    chart.diagonal ? diagonal(box, Math.max(x.lo, y.lo), Math.min(x.hi, y.hi), (v) => [x.place(v), y.place(v)], paint) : "",
    ...marksDrawn,
    ...labels(
      placed.map((q) => ({ x: q.x, y: q.y, label: q.p.label ?? "" })),
      box,
      paint,
    ),
  ];
  return {
    width: Math.max(key.width, box.x + box.width + 14, nameWidth(chart.yName, room)),
    height: box.y + box.height + footOf(chart.xName),
    body: body.join(""),
  };
}

function diagonal(box: Box, lo: number, hi: number, place: (v: number) => [number, number], paint: Paint): string {
  const [[x1, y1], [x2, y2]] = [place(lo), place(hi)];
  const at = (x: number, y: number): [number, number] => [box.x + box.width * x, box.y + box.height * (1 - y)];
  return `<g>${tipOf("y = x")}${lineAt(...at(x1, y1), ...at(x2, y2), paint.colour("ink-3"), "4 3")}</g>`;
}

interface Named {
  readonly x: number;
  readonly y: number;
  readonly label: string;
}

interface Taken {
  readonly x1: number;
  readonly x2: number;
  readonly y1: number;
  readonly y2: number;
}

/** Labels to the right, left, above or below of their points, wherever they touch neither points nor labels. Points far out come first. */
function labels(points: readonly Named[], box: Box, paint: Paint): string[] {
  const named = points.filter((p) => p.label !== "");
  if (points.length > 1000) return [];
  const taken: Taken[] = points.map(({ x, y }) => ({ x1: x - 4, x2: x + 4, y1: y - 4, y2: y + 4 }));
  const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2];
  const far = [...named].sort((a, b) => Math.hypot(b.x - cx, b.y - cy) - Math.hypot(a.x - cx, a.y - cy));
  return far.map((p) => {
    const text = shorten(visible(p.label), 120, LABEL);
    const w = widthOf(text, LABEL);
    const places = [
      [p.x + 6, p.y + 3.5],
      [p.x - 6 - w, p.y + 3.5],
      [p.x - w / 2, p.y - 7],
      [p.x - w / 2, p.y + 14],
    ] as const;
    for (const [x, y] of places) {
      const spot = { x1: x - 1, x2: x + w + 1, y1: y - 9, y2: y + 2 };
      const inside = spot.x1 >= box.x && spot.x2 <= box.x + box.width + 10 && spot.y1 >= box.y - 6 && spot.y2 <= box.y + box.height;
      if (!inside || taken.some((t) => t.x1 < spot.x2 && spot.x1 < t.x2 && t.y1 < spot.y2 && spot.y1 < t.y2)) continue;
      taken.push(spot);
      return textAt(x, y, text, { ...LABEL, fill: paint.colour("ink-2"), halo: paint.colour("paper") });
    }
    return "";
  });
}
