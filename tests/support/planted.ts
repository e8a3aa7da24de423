/** Numbers with structure that is known, and how they are compared. */
import { type Core, Tensor, TritlensError } from "tritlens";

/** Standard normal numbers [n, d] of a seed. */
export function normal(core: Core, seed: number, n: number, d: number): Tensor {
  const data = new Float32Array(n * d);
  core.random(seed, 0, 1, data);
  return Tensor.from(data, [n, d], ["example", "feature"]);
}

/** Cosine of two vectors. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number => Array.from(x).reduce((sum, v, i) => sum + v * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Largest difference relative to the largest expected entry. */
export function relative(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  return Math.max(...Array.from(expected, (y, i) => Math.abs(y - found[i]))) / Math.max(...Array.from(expected, Math.abs));
}

/** Code of what a promise is rejected with; fails for an error that is not typed, and says "nothing" when it is kept. */
export async function codeOfAsync(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof TritlensError) return error.code;
    throw error;
  }
  return "nothing";
}
