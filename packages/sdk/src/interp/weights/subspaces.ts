/** Which heads share directions of the residual stream: overlap of the subspaces they read from and write to (the projection kernel of each pair). */
import { type Core, defaultCore, type Model, requireShape, Tensor, TritlensError } from "tritlens";
import { allHeadLabels, dotProduct, type FactoredMatrix, flippedMatrix, orthonormalBasis, ovCircuit, qkCircuit, thinSvd } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/**
 * Cosines of the principal angles between the column spaces of X [d, m] and Y [d, n], falling (Bjorck and Golub 1973): 1 for a shared direction, 0 for orthogonal ones.
 *
 * @throws E_SHAPE unless both are matrices with the same number of rows.
 */
export function principalCosines(x: Tensor, y: Tensor, { core = defaultCore() }: { readonly core?: Core } = {}): Float64Array {
  for (const t of [x, y])
    if (t.shape.length !== 2)
      throw new TritlensError("E_SHAPE", "a subspace is given by a matrix", { expected: "[d, k]", found: `[${t.shape.join(", ")}]` });
  const d = x.shape[0];
  requireShape("the second matrix", [d, y.shape[1]], y.shape);
  const [a, b] = [basisOf(x.data, d, x.shape[1]), basisOf(y.data, d, y.shape[1])];
  const [m, n] = [a.shape[0], b.shape[0]];
  if (m === 0 || n === 0) return new Float64Array(0);
  return thinSvd(products(core, a, flippedMatrix(b.data, n, d), n), m, n).s.map((s) => Math.min(1, s));
}

/** What of a head: the directions its queries, keys or values read, or those it writes. */
export type HeadSide = "Q" | "K" | "V" | "O";

/** Overlaps of the subspaces of all heads. */
export class SubspaceOverlaps extends Result {
  /** [layer, head, other_layer, other_head], from 0 to 1. */
  readonly overlaps: Tensor;
  /** What of the first and of the second head. */
  readonly sides: readonly [HeadSide, HeadSide];
  /** Names of the heads. */
  readonly labels: readonly string[];

  constructor(overlaps: Tensor, sides: readonly [HeadSide, HeadSide], labels: readonly string[]) {
    super();
    this.overlaps = overlaps;
    this.sides = sides;
    this.labels = labels;
  }

  override chart(): Chart {
    const { labels, overlaps, sides } = this;
    return {
      kind: "heatmap",
      title: `Overlap of the subspaces of heads, ${sides[0]} with ${sides[1]}`,
      caption: "Mean squared cosine of principal angles. Random subspaces of k of d dimensions are at k / d.",
      values: overlaps.data,
      y: { name: sides[0], labels },
      x: { name: sides[1], labels },
      scale: "sequential",
      range: [0, 1],
      unit: "overlap",
    };
  }
}

/**
 * Overlap of what every head writes or reads with what every head writes or reads: `headSubspaceOverlap(model, "O", "Q")` is composition without the sizes.
 *
 * Random subspaces of k of d dimensions overlap by k / d: compare with that. Overlap is no composition: what is written there may be small.
 *
 * @returns `overlaps` [layer, head, other_layer, other_head].
 * @throws E_SPEC for a model of a bare Spec, E_NAME for another side.
 */
export function headSubspaceOverlap(model: Model, first: HeadSide, second: HeadSide): SubspaceOverlaps {
  const [a, b] = [headBases(model, first), headBases(model, second)];
  const { dModel: d, nLayers, nHeads } = model.config as { dModel: number; nLayers: number; nHeads: number };
  const data = new Float32Array(a.length * b.length);
  for (const [j, y] of b.entries()) {
    const rank = y.shape[0];
    const right = flippedMatrix(y.data, rank, d);
    for (const [i, x] of a.entries()) {
      const least = Math.min(x.shape[0], rank);
      data[i * b.length + j] = least === 0 ? 0 : sumOfSquares(products(model.core, x, right, rank)) / least;
    }
  }
  const shape = [nLayers, nHeads, nLayers, nHeads];
  return new SubspaceOverlaps(Tensor.from(data, shape, ["layer", "head", "other_layer", "other_head"]), [first, second], allHeadLabels(model));
}

function headBases(model: Model, side: HeadSide): Tensor[] {
  const thin = sideOf(model, side);
  const [d, k] = [thin.shape.at(-2) as number, thin.shape.at(-1) as number];
  return Array.from({ length: thin.size / (d * k) }, (_, i) => basisOf(thin.data.subarray(i * d * k, (i + 1) * d * k), d, k));
}

/** [layer, head, d_model, d_head]. */
function sideOf(model: Model, side: HeadSide): Tensor {
  const circuit = (m: FactoredMatrix): Tensor => m.A;
  if (side === "Q") return circuit(qkCircuit(model));
  if (side === "K") return circuit(qkCircuit(model).T);
  if (side === "V") return circuit(ovCircuit(model));
  if (side === "O") return circuit(ovCircuit(model).T);
  throw new TritlensError("E_NAME", "unknown side of a head", { expected: "Q, K, V or O", found: String(side) });
}

/** Orthonormal rows that span the columns of X [d, columns]. */
function basisOf(x: Float32Array, d: number, columns: number): Tensor {
  return orthonormalBasis(Tensor.from(flippedMatrix(x, d, columns), [columns, d], ["column", "feature"]));
}

/** Cosines between the vectors of a basis and columns, [rank, count]. */
function products(core: Core, basis: Tensor, columns: Float32Array, count: number): Float32Array {
  const [rank, d] = basis.shape;
  const out = new Float32Array(rank * count);
  core.matmul(basis.data, columns, rank, d, count, out);
  return out;
}

function sumOfSquares(x: Float32Array): number {
  return dotProduct(x, x);
}
