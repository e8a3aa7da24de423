/** Small pieces of pictures: rounding, heat maps, histograms, spectra. */
import { frequencies, rowNorms } from "../math/fourier.ts";
import { powerShare } from "./keys.ts";
import type { HeatMap, Histogram, Spectrum } from "./pictures-types.ts";

/** Four significant digits: more than a screen shows, and a third of the bytes. */
export const round = (value: number): number => Number(value.toPrecision(4));

/** {@link round} on every entry. */
export const roundAll = (values: ArrayLike<number>): number[] => Array.from(values, round);

/** An image, row-major. */
export const heatMap = (rows: number, cols: number, values: ArrayLike<number>): HeatMap => ({ rows, cols, values: roundAll(values) });

/** Counts in equal bins; values on the upper end go into the last bin, values outside into the nearest. */
export function histogram(values: readonly number[], from: number, to: number, bins: number): Histogram {
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.max(0, Math.min(bins - 1, Math.floor(((value - from) / (to - from)) * bins)))]++;
  return { from, to, counts };
}

/** Norms of the cos and sin rows of a Fourier transform [row, column], and power shares. */
export function spectrum(hat: Float64Array, p: number, columns: number): Spectrum {
  const norms = rowNorms(hat, p, columns);
  return {
    cos: frequencies(p).map((k) => round(norms[2 * k - 1])),
    sin: frequencies(p).map((k) => round(norms[2 * k])),
    share: roundAll(powerShare(hat, p, columns)),
  };
}
