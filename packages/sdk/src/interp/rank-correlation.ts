/** How well one ranking agrees with another: Spearman's rank correlation. */
import { TritlensError } from "tritlens";

/**
 * Spearman's rank correlation of two lists: Pearson's correlation of their ranks, where equal values share the mean of their ranks. Entries that are NaN in either list are left out.
 *
 * @returns A number in [-1, 1]; NaN when fewer than two entries are left, or when one of the lists is constant.
 * @throws E_SHAPE for lists of different lengths.
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new TritlensError("E_SHAPE", "the lists have different lengths", { expected: String(a.length), found: String(b.length) });
  const kept = Array.from({ length: a.length }, (_, i) => i).filter((i) => !Number.isNaN(a[i]) && !Number.isNaN(b[i]));
  return pearson(ranks(kept.map((i) => a[i] as number)), ranks(kept.map((i) => b[i] as number)));
}

/** Ranks from 1, ties sharing the mean of theirs. */
function ranks(values: readonly number[]): Float64Array {
  const order = values.map((_, i) => i).sort((i, j) => (values[i] as number) - (values[j] as number));
  const out = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to++;
    for (let k = from; k < to; k++) out[order[k] as number] = (from + 1 + to) / 2;
    from = to;
  }
  return out;
}

function pearson(a: Float64Array, b: Float64Array): number {
  const mean = (x: Float64Array): number => x.reduce((s, v) => s + v, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    const [da, db] = [x - ma, (b[i] as number) - mb];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : Number.NaN;
}
