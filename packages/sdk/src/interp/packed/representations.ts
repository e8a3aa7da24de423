/** How alike two representations of the same inputs are, whatever basis they are in: linear CKA and orthogonal Procrustes. */
import { type Core, defaultCore, Tensor, TritlensError } from "tritlens";
import { dotProduct, flippedMatrix, matrixProduct, permutation, symmetricEigenvalues, thinSvd } from "tritlens/interp";

/** Options of {@link linearCka} and {@link procrustes}. */
export interface RepresentationOptions {
  /** The core that multiplies; that of `loadCore` when left out. */
  readonly core?: Core;
}

/**
 * Linear centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414) of X [sample, d] and Y [sample, other d]: 1 for representations that are equal up to rotation and
 * one scale, near 0 for unrelated ones. Biased upwards when there are few samples for the number of dimensions: compare with {@link shuffledRows}.
 *
 * @throws E_SHAPE unless both are matrices with as many rows, at least two.
 */
export function linearCka(x: Tensor, y: Tensor, { core = defaultCore() }: RepresentationOptions = {}): number {
  const [a, b] = pair(x, y);
  const n = a.rows;
  if (n <= Math.min(a.cols, b.cols)) {
    const [k, l] = [gramOfRows(core, a), gramOfRows(core, b)];
    return ratio(dotProduct(k, l), Math.sqrt(dotProduct(k, k) * dotProduct(l, l)));
  }
  const [xx, yy, xy] = [crossed(core, a, a), crossed(core, b, b), crossed(core, a, b)];
  return ratio(dotProduct(xy, xy), Math.sqrt(dotProduct(xx, xx) * dotProduct(yy, yy)));
}

/** The best rotation from one representation to another. */
export interface Procrustes {
  /** 1 when a rotation and one scale make them equal: the sum of singular values of X^T Y over the product of the norms. */
  readonly similarity: number;
  /** Orthogonal where both have as many dimensions: X times this is as near to Y as rotations get, up to scale. [d, other d]. */
  readonly rotation: Tensor;
}

/**
 * Orthogonal Procrustes (Schönemann 1966; as a similarity, Ding et al. 2021) of X [sample, d] and Y [sample, other d], centred first. Time grows with the cube of the smallest
 * extent. With fewer samples than dimensions any two representations can be turned into each other well: compare with {@link shuffledRows}.
 *
 * @throws E_SHAPE unless both are matrices with as many rows, at least two.
 */
export function procrustes(x: Tensor, y: Tensor, { core = defaultCore() }: RepresentationOptions = {}): Procrustes {
  const [a, b] = pair(x, y);
  const { u, s, v, k } = thinSvd(crossed(core, a, b), a.cols, b.cols);
  const rotation = Float32Array.from(matrixProduct(u, flippedMatrix(v, b.cols, k), a.cols, k, b.cols));
  return { similarity: similarityOf(s, a, b), rotation: Tensor.from(rotation, [a.cols, b.cols], ["d", "other_d"]) };
}

/**
 * The similarity alone, without the rotation: quicker, and with few samples through the samples.
 *
 * @throws as {@link procrustes}.
 */
export function procrustesSimilarity(x: Tensor, y: Tensor): number {
  const [a, b] = pair(x, y);
  // Squares of singular values lose half of the digits, so all of this is f64.
  const squares = a.rows <= Math.min(a.cols, b.cols) ? squaresBySamples(a, b) : squaresByDimensions(a, b);
  return similarityOf(
    squares.map((s) => Math.sqrt(Math.max(0, s))),
    a,
    b,
  );
}

/** Squares of the singular values of X^T Y as eigenvalues of the smaller of its Gram matrices. */
function squaresByDimensions(a: Centred, b: Centred): Float64Array {
  const [small, large] = a.cols <= b.cols ? [a, b] : [b, a];
  const product = matrixProduct(flippedMatrix(small.data, small.rows, small.cols), large.data, small.cols, small.rows, large.cols);
  const gram = matrixProduct(product, flippedMatrix(product, small.cols, large.cols), small.cols, large.cols, small.cols);
  return symmetricEigenvalues(gram, small.cols);
}

/** The same as eigenvalues of L^T (Y Y^T) L, where L L^T = X X^T. */
function squaresBySamples(a: Centred, b: Centred): Float64Array {
  const n = a.rows;
  const gram = ({ data, rows, cols }: Centred): Float64Array => matrixProduct(data, flippedMatrix(data, rows, cols), rows, cols, rows);
  const root = cholesky(gram(a), n);
  const half = matrixProduct(gram(b), root, n, n, n);
  return symmetricEigenvalues(matrixProduct(flippedMatrix(root, n, n), half, n, n, n), n);
}

/** L with L L^T = m for a matrix that has no negative eigenvalues; columns of pivots that are rounding noise are 0. */
function cholesky(m: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  const noise = n * Number.EPSILON * Math.max(...Array.from({ length: n }, (_, i) => m[i * n + i]));
  for (let j = 0; j < n; j++)
    for (let i = j; i < n; i++) {
      let sum = m[i * n + j];
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
      if (i === j) l[i * n + i] = sum > noise ? Math.sqrt(sum) : 0;
      else l[i * n + j] = l[j * n + j] === 0 ? 0 : sum / l[j * n + j];
    }
  return l;
}

/**
 * Rows in another order, the same every time: what CKA and Procrustes say of representations that have nothing to do with each other, at this size.
 *
 * @param x - [sample, d].
 * @returns [sample, d].
 */
export function shuffledRows(x: Tensor, { core = defaultCore() }: RepresentationOptions = {}): Tensor {
  const [rows, cols] = x.shape;
  const out = new Float32Array(x.size);
  for (const [to, from] of permutation(core, rows).entries()) out.set(x.data.subarray(from * cols, (from + 1) * cols), to * cols);
  return Tensor.from(out, x.shape, x.axes);
}

/** A matrix whose columns have mean 0. */
interface Centred {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

function pair(x: Tensor, y: Tensor): [Centred, Centred] {
  const fits = x.shape.length === 2 && y.shape.length === 2 && x.shape[0] === y.shape[0] && x.shape[0] > 1;
  if (fits) return [centred(x), centred(y)];
  throw new TritlensError("E_SHAPE", "representations must be of the same samples", {
    expected: "[sample, d] and [sample, other d] with two samples or more",
    found: `[${x.shape.join(", ")}] and [${y.shape.join(", ")}]`,
  });
}

function centred(x: Tensor): Centred {
  const [rows, cols] = x.shape;
  const [means, squares] = [new Float64Array(cols), new Float64Array(cols)];
  const { data } = x;
  for (let i = 0; i < data.length; i++) means[i % cols] += data[i] / rows;
  for (let i = 0; i < data.length; i++) squares[i % cols] += (data[i] - means[i % cols]) ** 2;
  // What is left of a constant is rounding, and rounding of different columns can be alike.
  const constant = Array.from(squares, (sum, j) => sum <= 1e-12 * rows * means[j] ** 2);
  return { data: data.map((value, i) => (constant[i % cols] ? 0 : value - means[i % cols])), rows, cols };
}

/** X^T Y, [d, other d]. */
function crossed(core: Core, x: Centred, y: Centred): Float32Array {
  const out = new Float32Array(x.cols * y.cols);
  core.matmul(flippedMatrix(x.data, x.rows, x.cols), y.data, x.cols, x.rows, y.cols, out);
  return out;
}

/** X X^T, [sample, sample]. */
function gramOfRows(core: Core, x: Centred): Float32Array {
  const out = new Float32Array(x.rows * x.rows);
  core.matmul(x.data, flippedMatrix(x.data, x.rows, x.cols), x.rows, x.cols, x.rows, out);
  return out;
}

function similarityOf(singular: Float64Array, a: Centred, b: Centred): number {
  const sum = singular.reduce((total, s) => total + s, 0);
  return ratio(sum, Math.sqrt(dotProduct(a.data, a.data) * dotProduct(b.data, b.data)));
}

/** 0 where a representation is constant. */
function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b;
}
