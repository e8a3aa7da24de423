/** Exchanging a subspace of an activation between runs. */
import { type Hook, type Tensor, TritlensError } from "tritlens";
import { positionsOf } from "tritlens/interp";

/** A vector of a site in each example. */
export interface VectorPlace {
  /** The site. */
  readonly site: string;
  /** The head, at a site of heads; all of them side by side when undefined. */
  readonly head: number | undefined;
  /** Position, one or one an example; negative counts from the end. */
  readonly pos: number | readonly number[];
}

/** Where a vector lies in an activation's data: numbers [from, to). */
export interface DataRange {
  /** First number. */
  readonly from: number;
  /** One past the last number. */
  readonly to: number;
}

/** Where the rows of a place lie in an activation's data, one an example. @throws E_SHAPE, E_RANGE for positions. */
export function rowsAtPlace(x: Tensor, { head, pos }: VectorPlace): DataRange[] {
  const [batch, count] = x.shape as unknown as [number, number];
  const each = x.size / (batch * count);
  const width = head === undefined ? each : each / (x.shape[2] as number);
  return positionsOf(pos, batch, count).map((t, b) => {
    const from = (b * count + t) * each + (head ?? 0) * width;
    return { from, to: from + width };
  });
}

/**
 * A hook that exchanges the part of activations that lies in a subspace: x becomes x + R^T R (source - x) at the place.
 *
 * @param basis - Orthonormal rows R, [dim, feature]; `whole` for the whole activation.
 * @param source - [example, feature], row-major.
 * @throws When called: E_SHAPE when sources do not fit the run, E_RANGE for positions outside of it.
 */
export function exchangeSubspace(place: VectorPlace, basis: Tensor | "whole", source: Float32Array): Hook {
  return [
    place.site,
    (x) => {
      const rows = rowsAtPlace(x, place);
      const d = (rows[0]?.to ?? 0) - (rows[0]?.from ?? 0);
      if (source.length !== rows.length * d)
        throw new TritlensError("E_SHAPE", "sources do not fit the run", { expected: `${rows.length} x ${d} numbers`, found: `${source.length}` });
      for (const [b, { from, to }] of rows.entries()) {
        const row = x.data.subarray(from, to);
        if (basis === "whole") {
          row.set(source.subarray(b * d, (b + 1) * d));
          continue;
        }
        const gap = Float64Array.from(row, (value, j) => (source[b * d + j] as number) - value);
        for (let k = 0; k < (basis.shape[0] as number); k++) {
          const r = basis.data.subarray(k * d, (k + 1) * d);
          const along = gap.reduce((sum, g, j) => sum + g * (r[j] as number), 0);
          for (let j = 0; j < d; j++) row[j] = (row[j] as number) + along * (r[j] as number);
        }
      }
    },
  ];
}
