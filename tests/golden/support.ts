/** What the golden suites share: where the oracles lie, the tolerances, and how tensors are compared. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseSafetensors, type StoredTensor, type Tensor, toTensor } from "tritlens";
import { expect } from "vitest";

/** Activations in f32: largest difference relative to the tensor's largest finite entry. */
export const ACT_TOL = 1e-5;
/** Gradients in f32, measured the same way. */
export const GRAD_TOL = 1e-4;

/**
 * One unit of f32 rounding. A gradient whose largest entry is below this share of the case's largest gradient is zero in exact arithmetic (b_K without
 * rotary positions: a constant added to all keys shifts every score of a query alike, which softmax does not see); what both sides then hold is noise.
 */
export const ZERO_GRAD: number = 2 ** -23;

/** Folder with transformerlens/, quantizers/ and modadd/; point `TRITLENS_ORACLES` at another set of the same form to test that one. */
export const ORACLES: string = process.env.TRITLENS_ORACLES ?? fileURLToPath(new URL(".", import.meta.url));

/** Reads a safetensors file of the oracles. */
export function oracle(path: string): Map<string, StoredTensor> {
  return parseSafetensors(readFileSync(`${ORACLES}/${path}`)).tensors;
}

/** One tensor as f32. @throws when the file lacks it. */
export function get(file: ReadonlyMap<string, StoredTensor>, name: string): Tensor {
  const stored = file.get(name);
  if (!stored) throw new Error(`the oracle lacks tensor ${name}`);
  return toTensor(stored);
}

/** Same shape, and every entry within `tolerance` of the expected tensor's largest finite entry; infinities must be equal. */
export function expectClose(what: string, found: Tensor, expected: Tensor, tolerance: number): void {
  expect(found.shape, `shape of ${what}`).toEqual(expected.shape);
  expect(difference(found.data, expected.data), `${what}: relative difference`).toBeLessThanOrEqual(tolerance);
}

/** Largest absolute entry. */
export function largest(data: ArrayLike<number>): number {
  return Array.from(data).reduce((m, x) => Math.max(m, Math.abs(x)), 0);
}

/** Compares gradients; `scale` is the case's largest gradient. A gradient that is zero in exact arithmetic has to be zero to rounding on both sides. */
export function expectGrad(what: string, found: Tensor, expected: Tensor, scale: number): void {
  const zero = ZERO_GRAD * scale;
  if (largest(expected.data) > zero) {
    expectClose(what, found, expected, GRAD_TOL);
    return;
  }
  expect(found.shape, `shape of ${what}`).toEqual(expected.shape);
  expect(largest(found.data), `${what}: zero in exact arithmetic`).toBeLessThanOrEqual(zero);
}

/** Largest difference relative to the largest finite entry of `expected`; infinite when infinities or NaN differ. */
export function difference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [x, y] = [found[i] as number, expected[i] as number];
    if (Number.isFinite(y)) largest = Math.max(largest, Math.abs(y));
    if (Object.is(x, y) || x === y) continue;
    const d = Math.abs(x - y);
    worst = Number.isFinite(d) ? Math.max(worst, d) : Number.POSITIVE_INFINITY;
  }
  // A tensor of zeros has no scale; then the difference itself counts.
  return largest > 0 ? worst / largest : worst;
}
