/** The leading singular vectors of a large matrix, in f64. */
import { requireLength, TritlensError } from "tritlens";
import { dotProduct, type Svd, signedSvd, thinSvd } from "tritlens/interp";

/** Residual of a singular pair, as a share of the largest singular value, at which it counts as found: f32 weights are not more exact. */
const FOUND = 1e-8;
/** Up to this extent all singular vectors are computed. */
const SMALL = 96;
/** Steps between two looks at what is found. */
const STRIDE = 24;

/**
 * The `count` largest singular values and their vectors, by Golub-Kahan-Lanczos bidiagonalisation with full reorthogonalisation (Golub and Van Loan, Matrix Computations, 10.4);
 * all of them are computed, and cut, where the matrix is small. Signs are those of {@link thinSvd}.
 *
 * Not for many vectors of a large matrix: time grows with the square of their number. Of singular values that are exactly equal in a large matrix one may be missed.
 *
 * @param a - Row-major [rows, cols].
 * @returns An {@link Svd} with k = count.
 * @throws E_SHAPE when the length does not fit, E_RANGE for a count that the matrix does not have.
 */
export function leadingSvd(a: ArrayLike<number>, rows: number, cols: number, count: number): Svd {
  requireLength(`a matrix of ${rows} x ${cols}`, rows * cols, a.length);
  const most = Math.min(rows, cols);
  if (!Number.isInteger(count) || count < 1 || count > most)
    throw new TritlensError("E_RANGE", "the matrix does not have that many singular vectors", { expected: `1 to ${most}`, found: String(count) });
  if (most <= SMALL || 2 * count > most) return cut(thinSvd(a, rows, cols), count, rows, cols);
  const [us, vs]: [Float64Array[], Float64Array[]] = [[], []];
  // a V = U B with B upper bidiagonal: alphas on the diagonal, betas above it.
  const [alphas, betas]: [number[], number[]] = [[], []];
  let v = unit(started(cols, 1), vs)[0];
  while (true) {
    vs.push(v);
    const u = times(a, v, rows, cols);
    const last = us.at(-1);
    if (last) minus(u, last, betas[betas.length - 1]);
    const [left, alpha] = unit(u, us);
    us.push(left);
    alphas.push(alpha);
    const w = timesFlipped(a, left, rows, cols);
    minus(w, v, alpha);
    const [right, beta] = unit(w, vs);
    if (vs.length === most || vs.length % STRIDE === 0) {
      const found = ritz(alphas, betas, beta, count);
      if (found || vs.length === most) return lifted(found ?? small(alphas, betas), us, vs, count);
    }
    betas.push(beta);
    v = right;
  }
}

/** The small bidiagonal matrix. */
function small(alphas: readonly number[], betas: readonly number[]): Svd {
  const n = alphas.length;
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) b[i * n + i] = alphas[i];
  for (let i = 0; i + 1 < n; i++) b[i * n + i + 1] = betas[i];
  return thinSvd(b, n, n);
}

/** Its decomposition, when `count` of its singular pairs are those of the large matrix. */
function ritz(alphas: readonly number[], betas: readonly number[], beta: number, count: number): Svd | undefined {
  const n = alphas.length;
  if (n < 2 * count) return undefined;
  const svd = small(alphas, betas);
  for (let c = 0; c < count; c++) if (Math.abs(beta * svd.u[(n - 1) * n + c]) > FOUND * svd.s[0]) return undefined;
  return svd;
}

function lifted(svd: Svd, us: readonly Float64Array[], vs: readonly Float64Array[], count: number): Svd {
  const lift = (basis: readonly Float64Array[], x: Float64Array): Float64Array => {
    const out = new Float64Array(basis[0].length * count);
    for (const [i, vector] of basis.entries())
      for (let c = 0; c < count; c++) {
        const factor = x[i * svd.k + c];
        for (let r = 0; r < vector.length; r++) out[r * count + c] += factor * vector[r];
      }
    return out;
  };
  return signedSvd({ u: lift(us, svd.u), s: svd.s.slice(0, count), v: lift(vs, svd.v), k: count });
}

function cut({ u, s, v, k }: Svd, count: number, rows: number, cols: number): Svd {
  const columns = (x: Float64Array, n: number): Float64Array =>
    Float64Array.from({ length: n * count }, (_, i) => x[Math.floor(i / count) * k + (i % count)]);
  return { u: columns(u, rows), s: s.slice(0, count), v: columns(v, cols), k: count };
}

/** x at length 1 and orthogonal to a basis, and its length before; where nothing is left of it, a fresh direction and 0. */
function unit(x: Float64Array, basis: readonly Float64Array[]): [Float64Array, number] {
  const before = length(x);
  for (let pass = 0; pass < 2; pass++) for (const b of basis) minus(x, b, dotProduct(x, b));
  const size = length(x);
  if (size > 1e-12 * before && size > 0) return [x.map((value) => value / size), size];
  return [unit(started(x.length, basis.length + 2), basis)[0], 0];
}

/** A direction without structure, the same every time. */
function started(n: number, seed: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => Math.sin(78.233 * seed + 12.9898 * (i + 1) * (1 + 0.01 * i)));
}

function times(a: ArrayLike<number>, x: Float64Array, rows: number, cols: number): Float64Array {
  const out = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < cols; j++) sum += a[i * cols + j] * x[j];
    out[i] = sum;
  }
  return out;
}

function timesFlipped(a: ArrayLike<number>, x: Float64Array, rows: number, cols: number): Float64Array {
  const out = new Float64Array(cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j] += a[i * cols + j] * x[i];
  return out;
}

function minus(x: Float64Array, y: Float64Array, factor: number): void {
  for (let i = 0; i < x.length; i++) x[i] -= factor * y[i];
}

function length(x: Float64Array): number {
  return Math.sqrt(dotProduct(x, x));
}
