/** Tokens of one frequency in a plane: on a circle when the embedding holds that frequency. */
import type { Principal } from "../math/eigen.ts";
import { argmax, dot, sumOfSquares } from "../math/statistics.ts";
import { componentSpectrum } from "./circularity.ts";
import { roundAll } from "./picture-parts.ts";
import type { Circle } from "./pictures-types.ts";
import type { Prepared } from "./prepare.ts";

/** Components looked through, and how pure a component must be to stand for a frequency. */
const COMPONENTS = 16;
const PURE = 0.8;

/** Two principal components of frequency k where there are such; otherwise the plane of the embedding's own cos and sin directions. */
export function circleOf(k: number, components: Principal, prepared: Prepared): Circle {
  const { p } = prepared;
  const pure = Array.from({ length: Math.min(COMPONENTS, p) }, (_, i) => i).filter((i) => isPure(scores(components, i, p), k, p));
  const [first, second] = pure;
  if (first === undefined || second === undefined) return fourierCircle(k, prepared);
  const plane = { x: roundAll(scores(components, first, p)), y: roundAll(scores(components, second, p)) };
  return { frequency: k, source: "pca", components: [first + 1, second + 1], ...plane };
}

const scores = ({ scores: all }: Principal, i: number, p: number): Float64Array => all.subarray(i * p, (i + 1) * p);

function isPure(v: Float64Array, k: number, p: number): boolean {
  const spectrum = componentSpectrum(v, p);
  return argmax(spectrum) === k - 1 && spectrum[k - 1] >= PURE;
}

/** Embeddings projected on the unit cos and sin directions of frequency k in model space. */
function fourierCircle(k: number, { acts, embeddingHat, p }: Prepared): Circle {
  const d = acts.dModel;
  const along = (row: number): number[] => {
    const direction = embeddingHat.subarray(row * d, (row + 1) * d);
    const norm = Math.sqrt(sumOfSquares(direction)) || 1;
    return roundAll(Float64Array.from({ length: p }, (_, t) => dot(direction, acts.weights.W_E.effective.subarray(t * d, (t + 1) * d)) / norm));
  };
  return { frequency: k, source: "fourier", components: [], x: along(2 * k - 1), y: along(2 * k) };
}
