/** Random orders: the same ones on every backend. */
import type { Core } from "tritlens";

/** A permutation of 0 to n - 1 by the core's counter-based generator: stream `stream` of `seed`. The same on every backend. */
export function permutation(core: Core, n: number, { seed = 0, stream = 0 }: { readonly seed?: number; readonly stream?: number } = {}): Int32Array {
  const keys = new Float32Array(n);
  core.random(seed, stream, 0, keys);
  return Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
}
