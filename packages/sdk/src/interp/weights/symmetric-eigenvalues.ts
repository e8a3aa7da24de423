/** Eigenvalues of symmetric matrices of some hundred rows, in f64. */
import { requireLength, TritlensError } from "tritlens";

/** Steps that an eigenvalue may take; two are usual. */
const STEPS = 60;

/**
 * Eigenvalues of a symmetric matrix, falling: Householder's tridiagonal form, then implicit QL steps (Golub and Van Loan, Matrix Computations, 8.3). No vectors; time grows with
 * n^3, 50 ms for n = 256.
 *
 * @param a - Row-major [n, n], of which the lower triangle is read; not changed.
 * @throws E_SHAPE when the length does not fit, E_NONFINITE when an entry is not finite.
 */
export function symmetricEigenvalues(a: ArrayLike<number>, n: number): Float64Array {
  requireLength(`a matrix of ${n} x ${n}`, n * n, a.length);
  const { diagonal, below } = tridiagonal(Float64Array.from(a), n);
  if (!diagonal.every(Number.isFinite) || !below.every(Number.isFinite))
    throw new TritlensError("E_NONFINITE", "a matrix with entries that are not finite has no eigenvalues", { expected: "finite numbers" });
  for (let low = 0; low < n; low++) {
    let steps = 0;
    for (let high = blockEnd(diagonal, below, low); high > low; high = blockEnd(diagonal, below, low)) {
      if (steps++ === STEPS) throw new TritlensError("E_NONFINITE", "the eigenvalues did not converge", { expected: `at most ${STEPS} steps each` });
      step(diagonal, below, low, high);
    }
  }
  return diagonal.sort().reverse();
}

/** Reflections from both sides that leave the diagonal and what is next to it; below[i] stands between i and i + 1. */
function tridiagonal(m: Float64Array, n: number): { diagonal: Float64Array; below: Float64Array } {
  const [diagonal, below] = [new Float64Array(n), new Float64Array(n)];
  const p = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    diagonal[k] = m[k * n + k];
    if (k === n - 1) break;
    const v = Float64Array.from({ length: n - k - 1 }, (_, i) => m[(k + 1 + i) * n + k]);
    const length = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
    below[k] = v[0] > 0 ? -length : length;
    if (length === 0 || k === n - 2) {
      if (k === n - 2) below[k] = v[0];
      continue;
    }
    v[0] -= below[k];
    const squares = v.reduce((sum, x) => sum + x * x, 0);
    reflect(m, n, k + 1, v, squares, p);
  }
  return { diagonal, below };
}

/** The lower triangle of H M H, H = 1 - 2 v v^T / |v|^2, from row `at` on. */
function reflect(m: Float64Array, n: number, at: number, v: Float64Array, squares: number, p: Float64Array): void {
  const size = v.length;
  p.fill(0);
  for (let i = 0; i < size; i++) {
    const row = (at + i) * n + at;
    let sum = m[row + i] * v[i];
    for (let j = 0; j < i; j++) {
      sum += m[row + j] * v[j];
      p[j] += m[row + j] * v[i];
    }
    p[i] += sum;
  }
  let along = 0;
  for (let i = 0; i < size; i++) along += p[i] * v[i];
  for (let i = 0; i < size; i++) p[i] = (2 * (p[i] - (along / squares) * v[i])) / squares;
  for (let i = 0; i < size; i++) {
    const row = (at + i) * n + at;
    for (let j = 0; j <= i; j++) m[row + j] -= v[i] * p[j] + p[i] * v[j];
  }
}

/** Last row of the block that begins in row `low` and is not split by a negligible entry. */
function blockEnd(diagonal: Float64Array, below: Float64Array, low: number): number {
  let k = low;
  while (k < diagonal.length - 1 && Math.abs(below[k]) > Number.EPSILON * (Math.abs(diagonal[k]) + Math.abs(diagonal[k + 1]))) k++;
  return k;
}

/** One QL step with Wilkinson's shift on a block: rotations from its end to its beginning. */
function step(d: Float64Array, e: Float64Array, low: number, high: number): void {
  const half = (d[low + 1] - d[low]) / (2 * e[low]);
  const shift = d[low] - e[low] / (half + (half >= 0 ? 1 : -1) * Math.hypot(half, 1));
  let x = d[high] - shift;
  let [c, s] = [1, 1];
  let kept = 0;
  for (let i = high - 1; i >= low; i--) {
    const [f, b] = [s * e[i], c * e[i]];
    const r = Math.hypot(f, x);
    if (i < high - 1) e[i + 1] = r;
    [s, c] = r === 0 ? [0, 1] : [f / r, x / r];
    const g = d[i + 1] - kept;
    const t = (d[i] - g) * s + 2 * c * b;
    kept = s * t;
    d[i + 1] = g + kept;
    x = c * t - b;
  }
  d[low] -= kept;
  e[low] = x;
}
