/** Heat maps: bytes to a PNG the page can print, framed with axes and the range of its colours. */
import { CODE_RAMP, type Rgb, rampColour, VALUE_RAMP } from "../../../plots/theme.ts";
import type { Raster } from "../model.ts";
import { el } from "./dom.ts";
import { number } from "./format.ts";

/** The two colour ramps of the page. */
export type Ramp = "value" | "codes";

function table(stops: readonly string[]): Rgb[] {
  return Array.from({ length: 256 }, (_, i) => rampColour(stops, i / 255));
}

const TABLES: Record<Ramp, Rgb[]> = { value: table(VALUE_RAMP), codes: table(CODE_RAMP) };

/** Levels of a raster, 0 to 255. */
function shades({ bytes, depth, width, height }: Raster): Uint8Array {
  const packed = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  if (depth === 8) return packed;
  return Uint8Array.from({ length: width * height }, (_, i) => 127.5 * (((packed[i >> 2] ?? 0) >> (2 * (i & 3))) & 3));
}

/** A PNG data address of a raster, one pixel a cell. */
export function png(raster: Raster, ramp: Ramp): string {
  const canvas = el("canvas", { width: String(raster.width), height: String(raster.height) });
  const context = canvas.getContext("2d");
  if (context === null) return "";
  const image = context.createImageData(raster.width, raster.height);
  shades(raster).forEach((level, i) => {
    const [r, g, b] = TABLES[ramp][level] ?? [0, 0, 0];
    image.data.set([r, g, b, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** A lower bound that no shade can tell from 0. */
function nearZero({ lo, hi }: Raster): boolean {
  return Math.abs(lo) < (hi - lo) * 1e-4;
}

/** Words around a heat map. */
export interface HeatLabels {
  title: string;
  alt: string;
  x: string;
  y: string;
  ramp?: Ramp;
  /** Hide the range under the picture where a shared legend tells it. */
  bare?: boolean;
}

/** A framed heat map with its axes named and the values of its darkest and brightest shade. */
export function heat(raster: Raster, { title, alt, x, y, ramp = "value", bare = false }: HeatLabels): HTMLElement {
  const image = el("img", { src: png(raster, ramp), alt, width: String(raster.width), height: String(raster.height) });
  return el(
    "div",
    { class: raster.width > 2 * raster.height ? "heat wide" : "heat" },
    title === "" ? null : el("div", { class: "heat-title" }, title),
    el("div", { class: "heat-frame" }, el("span", { class: "heat-y" }, y), image, el("span", { class: "heat-x" }, x)),
    bare
      ? null
      : el(
          "div",
          { class: "heat-range" },
          el("span", {}, number(nearZero(raster) ? 0 : raster.lo)),
          el("span", { class: `ramp ramp-${ramp}`, "aria-hidden": "true" }),
          el("span", {}, number(raster.hi)),
        ),
  );
}
