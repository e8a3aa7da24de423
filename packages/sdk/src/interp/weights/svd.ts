/** Singular value decomposition of small dense matrices in f64, the same on every backend. */
import { TritlensError } from "tritlens";
import { dotProduct, flippedMatrix, matrixProduct, thinQr } from "tritlens/interp";

/** A = U diag(S) V^T. */
export interface Svd {
  /** Left singular vectors as columns, row-major [rows, k]. */
  readonly u: Float64Array;
  /** Singular values, falling, [k]. */
  readonly s: Float64Array;
  /** Right singular vectors as columns, row-major [cols, k]. */
  readonly v: Float64Array;
  /** The lesser of rows and columns. */
  readonly k: number;
}

/** Rounds of rotations; matrices of f32 weights are done after six to ten. */
const SWEEPS = 40;
/** Cosine of two columns below which they count as orthogonal. */
const ORTHOGONAL = 1e-15;

/**
 * Singular value decomposition: QR, then one-sided Jacobi rotations of R's rows (Golub and Van Loan, Matrix Computations, 8.6). Small singular values keep their digits.
 * The largest entry of each left vector is positive, so that signs are the same everywhere. Vectors of singular values that are zero are an orthonormal completion.
 *
 * Time grows with k^3: 10 ms for a head (768 x 64), many seconds for k = 768.
 *
 * @param a - Row-major [rows, cols]; not changed.
 * @throws E_SHAPE when the length does not fit.
 */
export function thinSvd(a: ArrayLike<number>, rows: number, cols: number): Svd {
  const wrong = Array.prototype.findIndex.call(a, (x: number) => !Number.isFinite(x));
  if (wrong >= 0)
    throw new TritlensError("E_NONFINITE", "a matrix without singular values", { expected: "finite numbers", found: `${a[wrong]} at ${wrong}` });
  if (rows < cols) {
    const { u, s, v, k } = tallSvd(flippedMatrix(Float64Array.from(a), rows, cols), cols, rows);
    return signedSvd({ u: v, s, v: u, k });
  }
  return signedSvd(tallSvd(a, rows, cols));
}

function tallSvd(a: ArrayLike<number>, rows: number, n: number): Svd {
  const { q, r } = thinQr(a, rows, n);
  // Rows of R become s_i v_i; the rotations that do it are U of R.
  const turned = Array.from({ length: n }, (_, i) => r.slice(i * n, (i + 1) * n));
  const turns = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < SWEEPS && rotateAll(turned, turns); sweep++);
  const norms = turned.map((row) => Math.sqrt(dotProduct(row, row)));
  const order = norms.map((_, i) => i).sort((i, j) => norms[j] - norms[i]);
  const s = Float64Array.from(order, (i) => norms[i]);
  const columns = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (const [c, from] of order.entries()) columns[i * n + c] = turns[from][i];
  const u = matrixProduct(q, columns, rows, n, n);
  const vectors = completed(
    order.map((i) => turned[i].map((x) => x / norms[i])),
    s,
  );
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let c = 0; c < n; c++) v[i * n + c] = vectors[c][i];
  return { u, s, v, k: n };
}

/** One sweep over all pairs of rows; false when all were orthogonal already. */
function rotateAll(rows: Float64Array[], turns: Float64Array[]): boolean {
  let changed = false;
  for (let i = 0; i < rows.length; i++) {
    for (let j = i + 1; j < rows.length; j++) {
      const [x, y] = [rows[i], rows[j]];
      const [xx, yy, xy] = [dotProduct(x, x), dotProduct(y, y), dotProduct(x, y)];
      if (Math.abs(xy) <= ORTHOGONAL * Math.sqrt(xx * yy)) continue;
      changed = true;
      const zeta = (yy - xx) / (2 * xy);
      const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
      const c = 1 / Math.sqrt(1 + t * t);
      rotate(x, y, c, c * t);
      rotate(turns[i], turns[j], c, c * t);
    }
  }
  return changed;
}

function rotate(x: Float64Array, y: Float64Array, c: number, s: number): void {
  for (let k = 0; k < x.length; k++) {
    const [p, q] = [x[k], y[k]];
    x[k] = c * p - s * q;
    y[k] = s * p + c * q;
  }
}

/** Replaces the directions of singular values that are rounding noise by unit vectors orthogonal to the others. */
function completed(vectors: Float64Array[], s: Float64Array): Float64Array[] {
  const n = vectors.length;
  const noise = n * Number.EPSILON * (s[0] ?? 0);
  const kept = vectors.filter((_, i) => s[i] > noise);
  for (let axis = 0; kept.length < n; axis++) {
    const row = Float64Array.from({ length: n }, (_, i) => (i === axis ? 1 : 0));
    for (let pass = 0; pass < 2; pass++)
      for (const unit of kept) {
        const along = dotProduct(row, unit);
        for (let i = 0; i < n; i++) row[i] -= along * unit[i];
      }
    const length = Math.sqrt(dotProduct(row, row));
    // Among n axes there is always one that far from the span of fewer than n vectors.
    if (length > 0.5 / Math.sqrt(n)) kept.push(row.map((x) => x / length));
  }
  return kept;
}

/** Turns each pair of vectors, in place, so that the largest entry of the left one is positive. */
export function signedSvd(svd: Svd): Svd {
  const { u, v, k } = svd;
  for (let c = 0; c < k; c++) {
    let top = 0;
    for (let i = c; i < u.length; i += k) if (Math.abs(u[i]) > Math.abs(top)) top = u[i];
    if (top >= 0) continue;
    for (let i = c; i < u.length; i += k) u[i] = -u[i];
    for (let i = c; i < v.length; i += k) v[i] = -v[i];
  }
  return svd;
}
