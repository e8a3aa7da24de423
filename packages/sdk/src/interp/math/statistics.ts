/** Small statistics that several analyses share. Sums run in f64 in index order. */
import type { Floats } from "./floats.ts";

/**
 * Gini coefficient of non-negative numbers (Hurley and Rickard 2009, as Nanda 2023 uses it): with x sorted ascending,
 * G = 1 - 2 sum_i (x_i / |x|_1) (N - i + 1/2) / N, i from 1. 0 when all are equal, near 1 when one holds everything. 0 for all zeros.
 */
export function gini(values: Floats): number {
  const sorted = Float64Array.from(values).sort();
  const total = sorted.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 0;
  const n = sorted.length;
  return 1 - (2 / n) * sorted.reduce((sum, value, i) => sum + (value / total) * (n - (i + 1) + 0.5), 0);
}

/** Arithmetic mean; 0 of nothing. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return values.length === 0 ? 0 : sum / values.length;
}

/** Population standard deviation. */
export function standardDeviation(values: ArrayLike<number>): number {
  const centre = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += ((values[i] as number) - centre) ** 2;
  return values.length === 0 ? 0 : Math.sqrt(sum / values.length);
}

/** Sum of squares. */
export function sumOfSquares(values: Floats): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

/** Inner product of equally long arrays. */
export function dot(x: Floats, y: Floats): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** Cosine of the angle; 0 when either is zero. */
export function cosine(x: Floats, y: Floats): number {
  const norms = Math.sqrt(sumOfSquares(x) * sumOfSquares(y));
  return norms === 0 ? 0 : dot(x, y) / norms;
}

/** a / b, or `otherwise` when b is 0: several metrics of the papers are 0/0 on perfectly regular models. */
export const ratio = (a: number, b: number, otherwise = 0): number => (b === 0 ? otherwise : a / b);

/** Squared correlation, streaming: how much variance of one a straight line in the other explains ("standardise both sides"). */
export class Correlation {
  private n = 0;
  private readonly sums = new Float64Array(5);

  /** Adds one pair of values. */
  add(x: number, y: number): void {
    const s = this.sums;
    this.n++;
    s[0] += x;
    s[1] += y;
    s[2] += x * x;
    s[3] += y * y;
    s[4] += x * y;
  }

  /** r^2, 0 when either side is constant. */
  squared(): number {
    const [x, y, xx, yy, xy] = this.sums as unknown as [number, number, number, number, number];
    const covariance = this.n * xy - x * y;
    return ratio(covariance * covariance, (this.n * xx - x * x) * (this.n * yy - y * y));
  }
}

/** Largest absolute value; 0 of nothing. */
export function maxAbs(values: Floats): number {
  let top = 0;
  for (let i = 0; i < values.length; i++) top = Math.max(top, Math.abs(values[i]));
  return top;
}

/** Index of the largest entry (the first of equals). */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

/** (sum x)^2 / sum x^2: how many entries share the total (participation ratio). */
export function participation(values: Floats): number {
  const total = values.length * mean(values);
  return ratio(total * total, sumOfSquares(values));
}
