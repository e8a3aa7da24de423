/** Places for the nodes of a graph in layers, and ways for its edges (Sugiyama, Tagawa and Toda 1981: long edges get a place in every layer, layers are ordered by barycentres). */
import { largest } from "./scale.ts";

/** Pixels of a node. */
export const NODE_HEIGHT = 22;
/** Pixels from layer to layer, between nodes, and for an edge that passes a layer: more where there are few nodes, so that their edges can be told apart. */
const FEW = { layer: 76, gap: 32, lane: 22 };
const MANY = { layer: 62, gap: 14, lane: 10 };
const MOST_FEW = 24;
/** Beyond this many edges, long ones pass behind nodes, because lanes would take more room than nodes. */
const MOST_LANES = 120;
const SWEEPS = 12;

interface NodeBox {
  readonly id: string;
  readonly layer: number;
  readonly width: number;
}

interface EdgeEnds {
  readonly from: string;
  readonly to: string;
  readonly score: number;
}

/** The points that an edge passes, from its source. */
export interface Route {
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** A node, or a lane of an edge. */
interface Slot {
  readonly row: number;
  readonly width: number;
  /** Least distance to a neighbour. Lanes need none between them. */
  readonly gap: number;
  readonly links: { readonly to: Slot; readonly weight: number }[];
  x: number;
}

/** Centres of nodes by name, a route for every edge in the order given, and the size of it all. */
export function layout(
  nodes: readonly NodeBox[],
  edges: readonly EdgeEnds[],
): { places: Map<string, { x: number; y: number }>; routes: Route[]; width: number; height: number } {
  const room = nodes.length <= MOST_FEW ? FEW : MANY;
  const layers = [...new Set(nodes.map((n) => n.layer))].sort((a, b) => a - b);
  const rowOf = new Map(layers.map((layer, row) => [layer, row]));
  const rows: Slot[][] = layers.map(() => []);
  const slots = new Map<string, Slot>();
  for (const node of nodes) {
    const slot: Slot = { row: rowOf.get(node.layer) as number, width: node.width, gap: room.gap, links: [], x: 0 };
    slots.set(node.id, slot);
    rows[slot.row]?.push(slot);
  }
  const paths = edges.map((edge) => pathFor(edge, slots, rows, edges.length <= MOST_LANES ? room.lane : 0));
  spread(rows);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const order = sweep % 2 === 0 ? rows : [...rows].reverse();
    for (const row of order) reorder(row, sweep);
  }
  const width = straighten(rows);
  const y = (row: number): number => (layers.length - 1 - row) * room.layer + NODE_HEIGHT / 2 + 1;
  const places = new Map([...slots].map(([id, s]) => [id, { x: s.x, y: y(s.row) }]));
  return { places, routes: paths.map((path) => routeOf(path, y)), width, height: (layers.length - 1) * room.layer + NODE_HEIGHT + 2 };
}

function pathFor({ from, to, score }: EdgeEnds, slots: ReadonlyMap<string, Slot>, rows: Slot[][], lane: number): Slot[] {
  const [a, b] = [slots.get(from) as Slot, slots.get(to) as Slot];
  const path = [a];
  const step = Math.sign(b.row - a.row);
  if (lane > 0 && step !== 0) {
    for (let row = a.row + step; row !== b.row; row += step) {
      const slot: Slot = { row, width: lane, gap: 0, links: [], x: 0 };
      rows[row]?.push(slot);
      path.push(slot);
    }
  }
  path.push(b);
  const weight = 1e-6 + (Number.isFinite(score) ? Math.abs(score) : 0);
  path.slice(1).forEach((slot, i) => {
    const before = path[i] as Slot;
    before.links.push({ to: slot, weight });
    slot.links.push({ to: before, weight });
  });
  return path;
}

/** Between the middles of neighbours. */
function distance(a: Slot, b: Slot): number {
  return (a.width + b.width) / 2 + Math.max(a.gap, b.gap);
}

/** Places a row's slots side by side, about 0. */
function spread(rows: readonly Slot[][]): void {
  for (const row of rows) {
    let x = 0;
    row.forEach((slot, i) => {
      if (i > 0) x += distance(row[i - 1] as Slot, slot);
      slot.x = x;
    });
    for (const slot of row) slot.x -= x / 2;
  }
}

/** Sorts a row by where its slots' neighbours in the rows before (or, every second time, after) are. */
function reorder(row: Slot[], sweep: number): void {
  const side = sweep % 2 === 0 ? -1 : 1;
  const wish = new Map(row.map((slot) => [slot, barycentre(slot, (other) => Math.sign(other.row - slot.row) === side)]));
  row.sort((a, b) => (wish.get(a) as number) - (wish.get(b) as number));
  spread([row]);
}

function barycentre(slot: Slot, counts: (other: Slot) => boolean): number {
  let [sum, weights] = [0, 0];
  for (const { to, weight } of slot.links) {
    if (!counts(to)) continue;
    sum += weight * to.x;
    weights += weight;
  }
  return weights > 0 ? sum / weights : slot.x;
}

/** Moves slots towards their neighbours as far as their order and gaps let them; returns the width, with the left end at 0. */
function straighten(rows: readonly Slot[][]): number {
  for (let pass = 0; pass < 8; pass++) {
    for (const row of pass % 2 === 0 ? rows : [...rows].reverse()) pull(row);
  }
  const all = rows.flat();
  const left =
    -largest(
      all.map((s) => s.width / 2 - s.x),
      Number.NEGATIVE_INFINITY,
    ) - 2;
  const right =
    largest(
      all.map((s) => s.x + s.width / 2),
      Number.NEGATIVE_INFINITY,
    ) + 2;
  for (const slot of all) slot.x -= left;
  return right - left;
}

/** The places nearest to the wishes that keep all gaps: blocks of slots that would overlap move together (pool adjacent violators). */
function pull(row: readonly Slot[]): void {
  const offsets: number[] = [];
  row.forEach((slot, i) => {
    const before = row[i - 1];
    offsets.push(before ? (offsets[i - 1] as number) + distance(before, slot) : 0);
  });
  const blocks: { sum: number; count: number }[] = [];
  row.forEach((slot, i) => {
    let block = { sum: barycentre(slot, (other) => other.row !== slot.row) - (offsets[i] as number), count: 1 };
    for (let last = blocks.at(-1); last && last.sum / last.count >= block.sum / block.count; last = blocks.at(-1)) {
      block = { sum: block.sum + last.sum, count: block.count + last.count };
      blocks.pop();
    }
    blocks.push(block);
  });
  let i = 0;
  for (const { sum, count } of blocks) {
    for (let k = 0; k < count; k++, i++) (row[i] as Slot).x = sum / count + (offsets[i] as number);
  }
}

/** An edge leaves at a node's top and arrives at the bottom of the next, or the other way about; within a layer it bows below. */
function routeOf(path: readonly Slot[], y: (row: number) => number): Route {
  const [first, last] = [path[0] as Slot, path.at(-1) as Slot];
  if (first.row === last.row) {
    const level = y(first.row) + NODE_HEIGHT / 2;
    const middle = { x: (first.x + last.x) / 2, y: level + 16 };
    return { points: [{ x: first.x, y: level }, middle, { x: last.x, y: level }] };
  }
  const up = last.row > first.row ? -1 : 1;
  const points = path.map((slot, i) => {
    const edge = i === 0 ? (up * NODE_HEIGHT) / 2 : i === path.length - 1 ? (-up * NODE_HEIGHT) / 2 : 0;
    return { x: slot.x, y: y(slot.row) + edge };
  });
  return { points };
}
