/** Sorting magnitudes: bits of a positive f32 sort as integers, so three counting passes of 11 bits replace comparisons. */

const BITS = 11;
const BUCKETS = 1 << BITS;
/** Below this the built-in sort is faster than clearing the counts. */
const SMALL = 1024;

/** |w| of a segment, ascending. */
export function sortedMagnitudes(w: Float32Array, from: number, n: number): Float32Array {
  let keys = new Uint32Array(new Float32Array(w.subarray(from, from + n)).buffer);
  for (let i = 0; i < n; i++) keys[i] = (keys[i] as number) & 0x7fff_ffff;
  if (n < SMALL) return new Float32Array(keys.sort().buffer);
  let other = new Uint32Array(n);
  for (let shift = 0; shift < 31; shift += BITS) {
    scatter(keys, other, shift);
    [keys, other] = [other, keys];
  }
  return new Float32Array(keys.buffer);
}

function scatter(from: Uint32Array, to: Uint32Array, shift: number): void {
  const next = new Uint32Array(BUCKETS + 1);
  for (let i = 0; i < from.length; i++) {
    const bucket = (((from[i] as number) >>> shift) & (BUCKETS - 1)) + 1;
    next[bucket] = (next[bucket] as number) + 1;
  }
  for (let b = 0; b < BUCKETS; b++) next[b + 1] = (next[b + 1] as number) + (next[b] as number);
  for (let i = 0; i < from.length; i++) {
    const key = from[i] as number;
    const bucket = (key >>> shift) & (BUCKETS - 1);
    to[next[bucket] as number] = key;
    next[bucket] = (next[bucket] as number) + 1;
  }
}
