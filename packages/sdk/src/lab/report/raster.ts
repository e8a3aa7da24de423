/**
 * Quantises a picture to one byte a cell, or codes to two bits. A heat map carries no more than a hundred distinguishable shades, so eight bits lose nothing that
 * can be seen, and the page stays a few megabytes. The exact numbers are in the checkpoints.
 */
import type { Raster } from "./model.ts";

/** Smallest and largest finite value; [0, 1] when there is none. */
function range(values: ArrayLike<number>): [number, number] {
  let lo = Infinity;
  let hi = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const v = values[i] ?? Number.NaN;
    if (v < lo && v > -Infinity) lo = v;
    if (v > hi && v < Infinity) hi = v;
  }
  return lo <= hi ? [lo, hi] : [0, 1];
}

/**
 * Makes a raster of `width * height` values (row-major). Bounds default to the finite range; values outside are clamped, NaN becomes `lo`.
 * @throws RangeError when the length does not fit.
 */
export function raster(values: ArrayLike<number>, width: number, height: number, lo?: number, hi?: number): Raster {
  if (values.length !== width * height) throw new RangeError(`raster of ${width} x ${height} needs ${width * height} values, found ${values.length}`);
  const [min, max] = range(values);
  const from = lo ?? min;
  const to = hi ?? max;
  const bytes = new Uint8Array(values.length);
  const scale = to > from ? 255 / (to - from) : 0;
  for (let i = 0; i < bytes.length; i++) bytes[i] = byte(((values[i] ?? Number.NaN) - from) * scale);
  return { depth: 8, width, height, lo: round(from), hi: round(to), bytes: Buffer.from(bytes).toString("base64") };
}

/** Makes a raster of codes -1, 0, +1, two bits each. */
export function codeRaster(codes: ArrayLike<number>, width: number, height: number): Raster {
  if (codes.length !== width * height) throw new RangeError(`raster of ${width} x ${height} needs ${width * height} codes, found ${codes.length}`);
  const bytes = new Uint8Array(Math.ceil(codes.length / 4));
  for (let i = 0; i < codes.length; i++) bytes[i >> 2] = (bytes[i >> 2] ?? 0) | (((codes[i] ?? 0) + 1) << (2 * (i & 3)));
  return { depth: 2, width, height, lo: -1, hi: 1, bytes: Buffer.from(bytes).toString("base64") };
}

function byte(x: number): number {
  return x > 0 ? Math.min(255, Math.round(x)) : 0;
}

/** Rounds to `digits` significant digits (4: enough for a plot, a third of the text). Non-finite numbers stay as they are. */
export function round(x: number, digits = 4): number {
  return Number.isFinite(x) ? Number(x.toPrecision(digits)) : x;
}
