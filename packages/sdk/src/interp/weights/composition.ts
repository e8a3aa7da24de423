/** Composition scores (Elhage et al. 2021): how much of what an earlier head writes a later one reads, compared with the sizes of both matrices. */
import { type Core, defaultCore, type Model, requireShape, Tensor, TritlensError } from "tritlens";
import { allHeadLabels, configOf, type FactoredMatrix, flippedMatrix, ovCircuit, qkCircuit, thinQr } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** What the later head does with what it reads: queries, keys, or values. */
export type CompositionKind = "Q" | "K" | "V";

/** How much one head reads of what another one writes. */
export interface ComposedHeads {
  /** The earlier head, `L0H1`. */
  readonly from: string;
  /** The later head. */
  readonly to: string;
  /** The composition score. */
  readonly score: number;
}

/** The composition scores of all pairs of heads. */
export class CompositionScores extends Result {
  /** [layer, head, later_layer, later_head]; 0 unless the later head stands in a later layer. */
  readonly scores: Tensor;
  /** Which kind. */
  readonly kind: CompositionKind;
  /** Names of the heads. */
  readonly labels: readonly string[];

  constructor(scores: Tensor, kind: CompositionKind, labels: readonly string[]) {
    super();
    this.scores = scores;
    this.kind = kind;
    this.labels = labels;
  }

  /** The strongest pairs. */
  top(count = 10): readonly ComposedHeads[] {
    const { labels, scores } = this;
    const order = Array.from(scores.data.keys()).sort((i, j) => scores.data[j] - scores.data[i]);
    return order
      .slice(0, count)
      .filter((i) => scores.data[i] > 0)
      .map((i) => ({ from: labels[Math.floor(i / labels.length)], to: labels[i % labels.length], score: scores.data[i] }));
  }

  override chart(): Chart {
    const { kind, labels, scores } = this;
    const heads = scores.shape[1];
    const later = (i: number): boolean => Math.floor((i % labels.length) / heads) > Math.floor(i / labels.length / heads);
    return {
      kind: "heatmap",
      title: `${kind}-composition of heads`,
      caption: "How much of what the head of a row writes the head of a column reads; random matrices of this size are not at 0.",
      values: scores.data.map((x, i) => (later(i) ? x : Number.NaN)),
      y: { name: "writes", labels },
      x: { name: `reads (${kind})`, labels },
      scale: "sequential",
      unit: "composition score",
    };
  }
}

/**
 * Frobenius norm of `left right` over the product of their norms, for every matrix of `left` with every one of `right`: [...leading axes of left, ...of right]. Elhage et al.
 * (2021), without subtracting the score of random matrices.
 *
 * @param left - What writes, [..., d_model_in, d_model].
 * @param right - What reads, [..., d_model, d_model_out].
 * @throws E_SHAPE when what left writes is not what right reads.
 */
export function compositionScores(left: FactoredMatrix, right: FactoredMatrix, { core = defaultCore() }: { readonly core?: Core } = {}): Tensor {
  requireShape("what the right matrices read", [left.rdim], [right.ldim]);
  const [writes, reads] = [shrunk(left.T), shrunk(right)];
  return Tensor.from(
    pairScores(core, writes, reads),
    [...left.shape.slice(0, -2), ...right.shape.slice(0, -2)],
    [...left.axes.slice(0, -2), ...right.axes.slice(0, -2).map((a) => `later_${a}`)],
  );
}

/**
 * Composition scores of all pairs of heads of a model, as TransformerLens's `all_composition_scores`: the left matrix is OV, the right one QK (`Q`), its transpose (`K`), or
 * OV (`V`). Composition scores are those of Elhage et al. (2021).
 *
 * Random matrices do not score 0: compare with an untrained model, and patch the path (`pathPatch`) before saying that heads compose.
 *
 * @returns `scores` [layer, head, later_layer, later_head].
 * @throws E_SPEC for a model of a bare Spec, E_NAME for another kind.
 */
export function allCompositionScores(model: Model, kind: CompositionKind): CompositionScores {
  const { nLayers, nHeads } = configOf(model);
  if (kind !== "Q" && kind !== "K" && kind !== "V")
    throw new TritlensError("E_NAME", "unknown kind of composition", { expected: "Q, K or V", found: String(kind) });
  const ov = ovCircuit(model);
  const right = kind === "V" ? ov : kind === "Q" ? qkCircuit(model) : qkCircuit(model).T;
  const data = pairScores(model.core, shrunk(ov.T), shrunk(right), (i) => (Math.floor(i / nHeads) + 1) * nHeads);
  const scores = Tensor.from(data, [nLayers, nHeads, nLayers, nHeads], ["layer", "head", "later_layer", "later_head"]);
  return new CompositionScores(scores, kind, allHeadLabels(model));
}

/** Matrices [rows, k] whose products from the left have the norms of a stack's, [count, rows, k], each divided by its norm. */
interface Shrunk {
  readonly count: number;
  readonly rows: number;
  readonly k: number;
  readonly data: Float32Array;
}

/** A B is A R^T times something orthogonal, where B^T = Q R: norms see A R^T only. */
function shrunk(matrix: FactoredMatrix): Shrunk {
  const { ldim, mdim, rdim } = matrix;
  const count = matrix.A.size / (ldim * mdim);
  const k = Math.min(mdim, rdim);
  const data = new Float32Array(count * ldim * k);
  const [right, left] = [matrix.T.A.data, matrix.A.data];
  for (let i = 0; i < count; i++) {
    const { r } = thinQr(right.subarray(i * rdim * mdim, (i + 1) * rdim * mdim), rdim, mdim);
    const a = left.subarray(i * ldim * mdim, (i + 1) * ldim * mdim);
    const one = new Float64Array(ldim * k);
    for (let row = 0; row < ldim; row++)
      for (let c = 0; c < k; c++) {
        let sum = 0;
        for (let m = c; m < mdim; m++) sum += a[row * mdim + m] * r[c * mdim + m];
        one[row * k + c] = sum;
      }
    const norm = Math.sqrt(one.reduce((sum, x) => sum + x * x, 0));
    data.set(norm === 0 ? one : one.map((x) => x / norm), i * ldim * k);
  }
  return { count, rows: ldim, k, data };
}

/** Norms of the products writes^T reads, of each of the one with those of the other from `first` on; 0 before. */
function pairScores(core: Core, writes: Shrunk, reads: Shrunk, first: (i: number) => number = () => 0): Float32Array {
  const { rows, k } = writes;
  const flipped = asRows(reads);
  const out = new Float32Array(writes.count * reads.count);
  for (let i = 0; i < writes.count; i++) {
    const from = first(i);
    const height = (reads.count - from) * reads.k;
    if (height <= 0) continue;
    const product = new Float32Array(height * k);
    core.matmul(flipped.subarray(from * reads.k * rows), writes.data.subarray(i * rows * k, (i + 1) * rows * k), height, rows, k, product);
    const block = reads.k * k;
    for (let j = from; j < reads.count; j++) {
      let sum = 0;
      for (let at = (j - from) * block; at < (j - from + 1) * block; at++) sum += product[at] ** 2;
      out[i * reads.count + j] = Math.sqrt(sum);
    }
  }
  return out;
}

/** [count, rows, k] as [count, k, rows]. */
function asRows({ rows, k, data }: Shrunk): Float32Array {
  const out = new Float32Array(data.length);
  for (let at = 0; at < data.length; at += rows * k) out.set(flippedMatrix(data.subarray(at, at + rows * k), rows, k), at);
  return out;
}
