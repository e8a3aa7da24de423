/** Comparison of an analysis with the reference's numbers, by the kind of quantity. The tolerances are fixed: the reference is f64, the SDK's activations are f32. */

/** Shares, coefficients, metrics: absolute. */
export const TOLERANCE_METRIC = 1e-4;
/** Losses: relative. */
export const TOLERANCE_LOSS = 1e-3;
/** Counts of neurons, of 512. */
export const TOLERANCE_COUNT = 2;

/** Parsed JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** All differences beyond tolerance, one line each; empty when the result agrees. Keys that only the result has are not compared. */
export function differences(expected: Json, found: unknown, path = ""): string[] {
  if (typeof expected === "number") return numberDiffers(path, expected, found) ? [`${path}: expected ${expected}, found ${String(found)}`] : [];
  if (expected === null || typeof expected !== "object")
    return expected === found ? [] : [`${path}: expected ${String(expected)}, found ${String(found)}`];
  if (typeof found !== "object" || found === null) return [`${path}: expected an object, found ${String(found)}`];
  return [
    ...extraKeys(path, expected, found),
    ...Object.entries(expected).flatMap(([key, value]) => differences(value, valueAt(path, found, key), path ? `${path}.${key}` : key)),
  ];
}

/** A cluster that the reference does not have is a wrong one; a missing one has no neurons. */
function valueAt(path: string, found: object, key: string): unknown {
  return (found as Record<string, unknown>)[key] ?? (path.endsWith("clusters") ? 0 : undefined);
}

/** Lists must be of one length, and records of frequencies have the same frequencies. */
function extraKeys(path: string, expected: object, found: object): string[] {
  const exact = Array.isArray(expected) || /(logit_share|alpha|zeros|sum_squared_weights|embedding_power_share)$/.test(path);
  if (exact && Object.keys(expected).length !== Object.keys(found).length)
    return [`${path}: expected keys ${Object.keys(expected).join()}, found ${Object.keys(found).join()}`];
  if (!path.endsWith("clusters")) return [];
  return Object.entries(found)
    .filter(([key, count]) => !(key in expected) && (count as number) > TOLERANCE_COUNT)
    .map(([key, count]) => `${path}.${key}: expected none, found ${count}`);
}

function numberDiffers(path: string, expected: number, found: unknown): boolean {
  if (typeof found !== "number" || !Number.isFinite(found)) return true;
  const error = Math.abs(found - expected);
  if (/^(p|key_frequencies\..*|gradient_triples\..*|neurons\.total)$/.test(path)) return error !== 0;
  if (/^neurons\.(alive|fve_ge_085|clusters\..*)$/.test(path)) return error > TOLERANCE_COUNT;
  if (/loss/.test(path)) return error > TOLERANCE_LOSS * Math.abs(expected);
  if (/^(sum_squared_weights|alpha)\./.test(path)) return error > TOLERANCE_METRIC * Math.max(1, Math.abs(expected));
  return error > TOLERANCE_METRIC;
}
