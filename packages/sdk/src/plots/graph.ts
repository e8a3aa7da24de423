/** Draws graphs in layers. */
import type { ChartEdge, ChartNode, GraphChart } from "./chart.ts";
import { entries, nothing } from "./frame.ts";
import { legend, levelOf } from "./grid.ts";
import { shorten, visible, widthOf } from "./label.ts";
import { layout, NODE_HEIGHT, type Route } from "./layout.ts";
import { LEVELS, type Paint } from "./paint.ts";
import { cellFormat, largest, shortText } from "./scale.ts";
import { moved, type Part, px, rectAt, textAt, tipOf } from "./shapes.ts";

const LABEL = { size: 11 };
const SCORE = { size: 9.5 };
/** Most edges drawn: the strongest. */
const MOST_EDGES = 400;
/** Scores are written beside so many edges. */
const MOST_SCORES = 14;
/** The widest line. */
const WIDEST = 5;

/** Nodes in rows, the first layer at the bottom; a line is as wide as its score is large, and says in colour and dash which sign it has. */
export function drawGraph(chart: GraphChart, room: number, paint: Paint): Part {
  if (chart.nodes.length === 0) return { width: 200, height: 40, body: nothing(200, 40, paint) };
  const size = (score: number): number => (Number.isFinite(score) ? Math.abs(score) : 0);
  const edges = [...chart.edges].sort((a, b) => size(b.score) - size(a.score)).slice(0, MOST_EDGES);
  const shownNodes = chart.nodes.length > MOST_EDGES ? touched(chart.nodes, edges) : chart.nodes;
  const nodes = shownNodes.map((n) => {
    const text = shorten(visible(n.label), 120, LABEL);
    return { ...n, text, width: Math.max(30, widthOf(text, LABEL) + 16) };
  });
  const { places, routes, width, height } = layout(nodes, edges);
  const peak = largest(edges.map((e) => size(e.score))) || 1;
  const groups = groupsOf(chart);
  const top = largest(chart.nodes.map((n) => size(n.score ?? 0)));
  const key = keyOf(chart, edges, top, Math.max(width, 360), paint);
  const drawn = routes.map((route, e) => drawEdge(route, edges[e] as ChartEdge, peak, paint)).reverse();
  const scores = edges.length <= MOST_SCORES ? edgeTexts(routes, edges, places, peak, paint) : [];
  const boxes = nodes.map((n) => {
    const { x, y } = places.get(n.id) as { x: number; y: number };
    const level =
      n.score === undefined || !Number.isFinite(n.score) ? undefined : levelOf({ ramp: "diverging", lo: -(top || 1), hi: top || 1 }, n.score);
    const fill = level === undefined ? paint.colour("panel") : paint.level("diverging", level);
    const ink = level === undefined ? paint.colour("ink") : paint.over("diverging", level);
    const border = n.group === undefined || groups.length < 2 ? paint.colour("ink-3") : groupColour(groups.indexOf(n.group), paint);
    const box = `<rect x="${px(x - n.width / 2)}" y="${px(y - NODE_HEIGHT / 2)}" width="${px(n.width)}" height="${NODE_HEIGHT}" rx="4" fill="${fill}" stroke="${border}" stroke-width="${n.group !== undefined && groups.length > 1 ? 2 : 1}"/>`;
    const tip = `${visible(n.label)}${n.group ? ` (${n.group})` : ""}${n.score === undefined ? "" : `: ${shortText(n.score)}`}`;
    return `<g>${tipOf(tip)}${box}${textAt(x, y + 4, n.text, { ...LABEL, fill: ink, anchor: "middle" })}</g>`;
  });
  const whole = { width: Math.max(width, key.width), height: key.height + height };
  const body = key.body + moved((whole.width - width) / 2, key.height, [...drawn, ...boxes, ...scores].join(""));
  if (whole.width <= Math.max(room, 720)) return { ...whole, body };
  const scale = Math.max(room, 720) / whole.width;
  return { width: whole.width * scale, height: whole.height * scale, body: `<g transform="scale(${scale.toFixed(4)})">${body}</g>` };
}

function touched(nodes: readonly ChartNode[], edges: readonly ChartEdge[]): readonly ChartNode[] {
  const ids = new Set(edges.flatMap((e) => [e.from, e.to]));
  return nodes.filter((n) => ids.has(n.id));
}

/** Blue and orange, the first two, say which sign an edge has. */
function groupColour(group: number, paint: Paint): string {
  return paint.series(group + 2);
}

function groupsOf({ nodes }: GraphChart): string[] {
  return [...new Set(nodes.map((n) => n.group).filter((g) => g !== undefined))];
}

function drawEdge({ points }: Route, edge: ChartEdge, peak: number, paint: Paint): string {
  const share = Number.isFinite(edge.score) ? Math.abs(edge.score) / peak : 0;
  const style = `stroke="${edgeColour(edge.score, paint)}" stroke-width="${px(0.8 + (WIDEST - 0.8) * share)}" stroke-opacity="${(0.4 + 0.5 * share).toFixed(2)}"${edge.score < 0 ? ` stroke-dasharray="${px(5 + 2 * WIDEST * share)} ${px(3 + 2 * share)}"` : ""}`;
  const tip = `${edge.from} to ${edge.to}${edge.label ? ` (${edge.label})` : ""}: ${shortText(edge.score)}`;
  return `<path d="${curve(points)}" fill="none" ${style}>${tipOf(tip)}</path>`;
}

function edgeColour(score: number, paint: Paint): string {
  return Number.isFinite(score) && score !== 0 ? paint.level("diverging", score > 0 ? LEVELS - 6 : 5) : paint.colour("ink-3");
}

/** Curves that leave and arrive upright. */
function curve(points: Route["points"]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let at = first;
  const parts = rest.map((p) => {
    const bend = (p.y - at.y) / 2;
    const part = `C${px(at.x)} ${px(at.y + bend)} ${px(p.x)} ${px(p.y - bend)} ${px(p.x)} ${px(p.y)}`;
    at = p;
    return part;
  });
  return `M${px(first.x)} ${px(first.y)}${parts.join("")}`;
}

/** Scores near the middle of their edges, moved along until they touch no other. */
function edgeTexts(
  routes: readonly Route[],
  edges: readonly ChartEdge[],
  places: ReadonlyMap<string, { x: number; y: number }>,
  peak: number,
  paint: Paint,
): string[] {
  const number = cellFormat(peak);
  const taken = [...places.values()].map(({ x, y }) => ({ x, y, w: 60, h: NODE_HEIGHT }));
  return routes.map(({ points }, e) => {
    const edge = edges[e] as ChartEdge;
    const text = [edge.label ?? "", number(edge.score)].join(" ").trim();
    const w = widthOf(text, SCORE) + 4;
    for (const share of [0.5, 0.36, 0.64, 0.25, 0.75]) {
      const spot = along(points, share);
      if (taken.some((t) => Math.abs(t.x - spot.x) < (t.w + w) / 2 && Math.abs(t.y - spot.y) < (t.h + 11) / 2)) continue;
      taken.push({ ...spot, w, h: 11 });
      const box = rectAt(spot.x - w / 2, spot.y - 6, w, 12, paint.colour("paper"));
      return `${box}${textAt(spot.x, spot.y + 3.4, text, { ...SCORE, fill: paint.colour("ink-2"), anchor: "middle" })}`;
    }
    return "";
  });
}

/** A point of a route's piece of the curve. */
function along(points: Route["points"], share: number): { x: number; y: number } {
  const pieces = points.length - 1;
  const piece = Math.min(pieces - 1, Math.floor(share * pieces));
  const t = share * pieces - piece;
  const [a, b] = [points[piece] as { x: number; y: number }, points[piece + 1] as { x: number; y: number }];
  const bend = (b.y - a.y) / 2;
  const mix = (p0: number, p1: number, p2: number, p3: number): number =>
    (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t ** 2 * p2 + t ** 3 * p3;
  return { x: mix(a.x, a.x, b.x, b.x), y: mix(a.y, a.y + bend, b.y - bend, b.y) };
}

function keyOf(chart: GraphChart, edges: readonly ChartEdge[], top: number, room: number, paint: Paint): Part {
  const line = (score: number): string =>
    `<path d="M0 6h18" stroke="${edgeColour(score, paint)}" stroke-width="3"${score < 0 ? ' stroke-dasharray="6 3"' : ""}/>`;
  const signs = [
    {
      score: 1,
      name: `edge score above 0, up to ${shortText(largest(edges.map((e) => e.score)))}`,
      there: edges.some((e) => e.score > 0),
    },
    {
      score: -1,
      name: `below 0, down to ${shortText(-largest(edges.map((e) => -e.score)))}`,
      there: edges.some((e) => e.score < 0),
    },
  ];
  const groups = groupsOf(chart);
  const all = [
    ...signs.filter((s) => s.there).map(({ score, name }) => ({ mark: line(score), name })),
    ...(groups.length > 1
      ? groups.map((name, g) => ({
          mark: `<rect x="2" y="1" width="14" height="10" rx="3" fill="none" stroke-width="2" stroke="${groupColour(g, paint)}"/>`,
          name,
        }))
      : []),
    ...(chart.edges.length > edges.length
      ? [{ mark: "", name: `the ${edges.length} strongest of ${chart.edges.length.toLocaleString("en")} edges` }]
      : []),
  ];
  const part = entries(all, room, paint);
  const fills = top > 0 ? legend({ ramp: "diverging", lo: -top, hi: top }, "node score", room, paint) : { width: 0, height: 0, body: "" };
  return { width: Math.max(part.width, fills.width), height: part.height + fills.height + 4, body: part.body + moved(0, part.height, fills.body) };
}
