/** Arithmetic of shapes: sizes, strides and the checks that name what was expected. */
import { TritlensError } from "../core/errors.ts";

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] as number) * (shape[i + 1] as number);
  return strides;
}

/** `[2, 3]`, or `[batch 2, pos 3]` with axis names. */
export function shapeText(shape: readonly number[], axes?: readonly string[]): string {
  return `[${shape.map((d, i) => (axes?.[i] ? `${axes[i]} ${d}` : String(d))).join(", ")}]`;
}

/** Throws E_SHAPE unless two shapes are equal. */
export function requireShape(what: string, expected: readonly number[], found: readonly number[]): void {
  if (expected.length === found.length && expected.every((d, i) => d === found[i])) return;
  throw new TritlensError("E_SHAPE", `wrong shape of ${what}`, { expected: shapeText(expected), found: shapeText(found) });
}

/** Throws E_SHAPE unless `found` elements are exactly `expected`. */
export function requireLength(what: string, expected: number, found: number): void {
  if (expected === found) return;
  throw new TritlensError("E_SHAPE", `wrong number of elements in ${what}`, { expected: String(expected), found: String(found) });
}
