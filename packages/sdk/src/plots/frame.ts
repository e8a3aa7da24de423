/** Axes, grid lines and legends of charts over numbers. */
import { axisName } from "./grid.ts";
import { shorten, visible, widthOf } from "./label.ts";
import type { Paint } from "./paint.ts";
import type { Axis } from "./scale.ts";
import { lineAt, type Part, px, textAt } from "./shapes.ts";

const TICK = { size: 10.5 };

/** Where the data is drawn. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels that the texts of an axis take. */
export function tickWidth({ ticks }: Axis): number {
  return ticks.reduce((most, t) => Math.max(most, widthOf(t.text, TICK)), 0) + 8;
}

/** Grid lines and numbers of the vertical axis, its name above them. */
export function verticalAxis(axis: Axis, { x, y, width, height }: Box, name: string, paint: Paint, room: number): string {
  const parts = axis.ticks.map(({ at, text }) => {
    const level = y + height * (1 - axis.place(at));
    const grid = lineAt(x, level, x + width, level, paint.colour(at === 0 ? "ink-3" : "line"));
    return grid + textAt(x - 6, level + 3.7, text, { ...TICK, fill: paint.colour("ink-2"), anchor: "end" });
  });
  return parts.join("") + axisName(2, y - 11, name, room - 4, paint, "start");
}

/** Pixels that the name of a vertical axis takes, at most `room`. */
export function nameWidth(name: string, room: number): number {
  return Math.min(room, widthOf(name, { size: 11 }) + 4);
}

/** Numbers of the horizontal axis, its name below them. Those that would touch are left out. */
export function horizontalAxis(axis: Axis, { x, y, width, height }: Box, name: string, paint: Paint, grid = false): string {
  let free = Number.NEGATIVE_INFINITY;
  const parts = axis.ticks.map(({ at, text }) => {
    const place = x + width * axis.place(at);
    const line = grid ? lineAt(place, y, place, y + height, paint.colour(at === 0 ? "ink-3" : "line")) : "";
    const half = widthOf(text, TICK) / 2;
    if (place - half < free) return line;
    free = place + half + 6;
    return `${line}${lineAt(place, y + height, place, y + height + 4, paint.colour("line-2"))}${textAt(place, y + height + 15, text, { ...TICK, fill: paint.colour("ink-2"), anchor: "middle" })}`;
  });
  return parts.join("") + axisName(x + width / 2, y + height + 31, name, width, paint, "middle");
}

/** Height below a box that {@link horizontalAxis} takes. */
export function footOf(name: string): number {
  return name === "" ? 20 : 36;
}

/** An entry of a legend: a mark in a box of 18 x 12 pixels, and what it stands for. */
export interface Entry {
  readonly mark: string;
  readonly name: string;
}

/** Entries in lines of at most `room` pixels; after 24, how many are left. */
export function entries(all: readonly Entry[], room: number, paint: Paint): Part {
  const most = 24;
  const shown = all.length > most ? [...all.slice(0, most), { mark: "", name: `and ${all.length - most} more` }] : all;
  let [x, y, width] = [0, 0, 0];
  const parts = shown.map(({ mark, name }) => {
    const text = shorten(visible(name), Math.min(220, room - 24), { size: 11 });
    const needed = (mark === "" ? 0 : 23) + widthOf(text, { size: 11 });
    if (x > 0 && x + needed > room) [x, y] = [0, y + 18];
    const entry = `<g transform="translate(${px(x)} ${px(y)})">${mark}${textAt(mark === "" ? 0 : 23, 10, text, { size: 11, fill: paint.colour("ink-2") })}</g>`;
    width = Math.max(width, x + needed);
    x += needed + 16;
    return entry;
  });
  return { width, height: all.length === 0 ? 0 : y + 22, body: parts.join("") };
}

/** Says what there is nothing of. */
export function nothing(width: number, height: number, paint: Paint): string {
  return textAt(width / 2, height / 2, "nothing to draw", { size: 11, fill: paint.colour("ink-3"), anchor: "middle" });
}
