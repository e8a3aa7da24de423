/** Binary codes for one segment of weights. */
import type { SegmentQuantizer } from "./quantize.ts";

/** Rounds after which alternation is stopped. */
const MAX_ROUNDS = 50;

/**
 * code = +1 where w > centre, else -1; scale = mean |w - centre|: the least squared error for these codes (XNOR-Net, arXiv 1603.05279, eq. 5). The centre is 0, or with a shift the
 * mean of w (BitNet, arXiv 2310.11453), which is then the shift.
 */
export function sign(withShift: boolean): SegmentQuantizer {
  return (w, from, n, codes) => {
    const centre = withShift ? split(w, from, n, codes, 0).mean : 0;
    split(w, from, n, codes, centre);
    let sum = 0;
    for (let i = from; i < from + n; i++) sum += (codes[i] as number) * ((w[i] as number) - centre);
    return [sum / n, centre];
  };
}

/**
 * Codes and scale (and shift) in turns until the codes stay. Without a shift the signs are the best codes whatever the scale, so this is {@link sign}. With one, it is 2-means: the two
 * values become the means of their sides, and the border moves half way between them.
 */
export function leastSquaresBinary(withShift: boolean): SegmentQuantizer {
  if (!withShift) return sign(false);
  return (w, from, n, codes) => {
    let border = split(w, from, n, codes, 0).mean;
    let scale = 0;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { above, high, low } = split(w, from, n, codes, border);
      if (above === 0 || above === n) return [0, border];
      const middle = (high + low) / 2;
      scale = (high - low) / 2;
      if (middle === border) break;
      border = middle;
    }
    // Codes belong to the border before the last move; one more pass makes them those of the shift that is returned.
    split(w, from, n, codes, border);
    return [scale, border];
  };
}

interface Sides {
  /** How many lie above. */
  above: number;
  /** Means above, below, and of all. */
  high: number;
  low: number;
  mean: number;
}

function split(w: Float32Array, from: number, n: number, codes: Int8Array, border: number): Sides {
  let above = 0;
  let high = 0;
  let sum = 0;
  for (let i = from; i < from + n; i++) {
    const x = w[i] as number;
    // Arithmetic instead of a branch: signs of weights cannot be predicted.
    const up = +(x > border);
    codes[i] = 2 * up - 1;
    above += up;
    high += up * x;
    sum += x;
  }
  return { above, high: high / above, low: (sum - high) / (n - above), mean: sum / n };
}
