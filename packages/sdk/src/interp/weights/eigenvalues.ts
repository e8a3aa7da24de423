/** Eigenvalues of small real matrices that need not be symmetric, such as the OV matrix of a head. */
import { requireLength, TritlensError } from "tritlens";

/** Complex numbers as two arrays. */
export interface ComplexNumbers {
  /** Real parts. */
  readonly re: Float64Array;
  /** Imaginary parts. */
  readonly im: Float64Array;
}

/** Steps that an eigenvalue may take; two or three are usual. */
const STEPS = 60;

/**
 * Eigenvalues by the shifted QR algorithm on the Hessenberg form (Golub and Van Loan, Matrix Computations, 7.4 and 7.5; complex single shifts), by falling absolute value.
 *
 * @param a - Row-major [n, n]; not changed.
 * @throws E_SHAPE when the length does not fit, E_NONFINITE when an entry is not finite.
 */
export function realEigenvalues(a: ArrayLike<number>, n: number): ComplexNumbers {
  requireLength(`a matrix of ${n} x ${n}`, n * n, a.length);
  const re = Float64Array.from(a);
  if (!re.every(Number.isFinite))
    throw new TritlensError("E_NONFINITE", "a matrix with entries that are not finite has no eigenvalues", { expected: "finite numbers" });
  toHessenberg(re, n);
  const h = new Hessenberg(re, n);
  for (let high = n - 1; high > 0; ) {
    let steps = 0;
    for (; h.lowEnd(high) < high; steps++) {
      if (steps === STEPS) throw new TritlensError("E_NONFINITE", "the eigenvalues did not converge", { expected: `at most ${STEPS} steps each` });
      h.step(h.lowEnd(high), high, steps % 10 === 9);
    }
    high--;
  }
  return h.sorted();
}

/** Householder reflections from both sides: zeros below the subdiagonal. */
function toHessenberg(a: Float64Array, n: number): void {
  for (let k = 0; k < n - 2; k++) {
    const v = Float64Array.from({ length: n - k - 1 }, (_, i) => a[(k + 1 + i) * n + k]);
    const length = Math.hypot(...v);
    if (length === 0) continue;
    v[0] += v[0] > 0 ? length : -length;
    const scale = 1 / Math.hypot(...v);
    for (let i = 0; i < v.length; i++) v[i] *= scale;
    for (let j = 0; j < n; j++) reflect(a, (k + 1) * n + j, n, v);
    for (let i = 0; i < n; i++) reflect(a, i * n + k + 1, 1, v);
  }
}

/** x - 2 v (v . x) for the entries of a at `at`, `at + stride`, ... */
function reflect(a: Float64Array, at: number, stride: number, v: Float64Array): void {
  let along = 0;
  for (let i = 0; i < v.length; i++) along += v[i] * a[at + i * stride];
  for (let i = 0; i < v.length; i++) a[at + i * stride] -= 2 * along * v[i];
}

/** A complex Hessenberg matrix on its way to a triangle. */
class Hessenberg {
  readonly n: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
  readonly small: number;

  constructor(re: Float64Array, n: number) {
    this.n = n;
    this.re = re;
    this.im = new Float64Array(n * n);
    this.small = Number.EPSILON * (Math.sqrt(re.reduce((sum, x) => sum + x * x, 0)) || 1);
  }

  /** First row of the block that ends in row `high` and has no zero on its subdiagonal. */
  lowEnd(high: number): number {
    let k = high;
    while (k > 0 && this.#below(k) > this.small) k--;
    return k;
  }

  #below(k: number): number {
    const at = k * this.n + k - 1;
    return Math.hypot(this.re[at], this.im[at]);
  }

  #abs(k: number): number {
    return Math.hypot(this.re[k * this.n + k], this.im[k * this.n + k]);
  }

  /** One QR step on the rows and columns of a block: H - mu = Q R, H := R Q + mu. */
  step(low: number, high: number, exceptional: boolean): void {
    const { n, re, im } = this;
    // An exceptional shift breaks cycles, which symmetric patterns such as permutations have.
    const [mr, mi] = exceptional ? [re[high * n + high] + this.#below(high), im[high * n + high]] : this.#shift(high);
    for (let k = low; k <= high; k++) {
      re[k * n + k] -= mr;
      im[k * n + k] -= mi;
    }
    const turns: [c: number, sr: number, si: number][] = [];
    for (let k = low; k < high; k++) turns.push(this.#turnRows(k, high));
    for (const [i, turn] of turns.entries()) this.#turnColumns(low + i, low, Math.min(low + i + 2, high), turn);
    for (let k = low; k <= high; k++) {
      re[k * n + k] += mr;
      im[k * n + k] += mi;
    }
  }

  /** The eigenvalue of the last 2 x 2 block that is nearer to its last entry (Wilkinson's shift). */
  #shift(high: number): [number, number] {
    const { n, re, im } = this;
    const [a, b, c, d] = [(high - 1) * n + high - 1, (high - 1) * n + high, high * n + high - 1, high * n + high];
    // With half = (a - d) / 2: d - bc / (half + sign sqrt(half^2 + bc)).
    const [hr, hi] = [(re[a] - re[d]) / 2, (im[a] - im[d]) / 2];
    const [pr, pi] = [re[b] * re[c] - im[b] * im[c], re[b] * im[c] + im[b] * re[c]];
    const [rr, ri] = root(hr * hr - hi * hi + pr, 2 * hr * hi + pi);
    const sign = hr * rr + hi * ri >= 0 ? 1 : -1;
    const [qr, qi] = [hr + sign * rr, hi + sign * ri];
    const size = qr * qr + qi * qi;
    if (size === 0) return [re[d], im[d]];
    return [re[d] - (pr * qr + pi * qi) / size, im[d] - (pi * qr - pr * qi) / size];
  }

  /** Rotates rows k and k + 1 so that the entry below the diagonal vanishes. */
  #turnRows(k: number, high: number): [number, number, number] {
    const { n, re, im } = this;
    const [p, q] = [k * n + k, (k + 1) * n + k];
    const [top, length] = [Math.hypot(re[p], im[p]), Math.hypot(re[p], im[p], re[q], im[q])];
    if (length === 0) return [1, 0, 0];
    const c = top / length;
    // s = phase(x) conj(y) / length, so that (c x + s y, -conj(s) x + c y) = (phase(x) length, 0).
    const [ur, ui] = top === 0 ? [1, 0] : [re[p] / top, im[p] / top];
    const [sr, si] = [(ur * re[q] + ui * im[q]) / length, (ui * re[q] - ur * im[q]) / length];
    for (let j = k; j <= high; j++) {
      const [x, y] = [k * n + j, (k + 1) * n + j];
      const [xr, xi, yr, yi] = [re[x], im[x], re[y], im[y]];
      re[x] = c * xr + sr * yr - si * yi;
      im[x] = c * xi + sr * yi + si * yr;
      re[y] = c * yr - sr * xr - si * xi;
      im[y] = c * yi - sr * xi + si * xr;
    }
    return [c, sr, si];
  }

  /** The conjugate of that rotation, from the right. */
  #turnColumns(k: number, low: number, last: number, [c, sr, si]: readonly [number, number, number]): void {
    const { n, re, im } = this;
    for (let i = low; i <= last; i++) {
      const [x, y] = [i * n + k, i * n + k + 1];
      const [xr, xi, yr, yi] = [re[x], im[x], re[y], im[y]];
      re[x] = c * xr + sr * yr + si * yi;
      im[x] = c * xi + sr * yi - si * yr;
      re[y] = c * yr - sr * xr + si * xi;
      im[y] = c * yi - sr * xi - si * xr;
    }
  }

  /** The diagonal, by falling absolute value; imaginary parts that are rounding noise become 0. */
  sorted(): ComplexNumbers {
    const { n, re, im, small } = this;
    const order = Array.from({ length: n }, (_, k) => k).sort((i, j) => this.#abs(j) - this.#abs(i) || im[j * n + j] - im[i * n + i]);
    const at = (k: number): number => k * n + k;
    return {
      re: Float64Array.from(order, (k) => re[at(k)]),
      im: Float64Array.from(order, (k) => (Math.abs(im[at(k)]) <= n * small ? 0 : im[at(k)])),
    };
  }
}

/** Square root of a complex number. */
function root(re: number, im: number): [number, number] {
  const size = Math.hypot(re, im);
  const a = Math.sqrt((size + Math.abs(re)) / 2);
  if (a === 0) return [0, 0];
  const b = im / (2 * a);
  return re >= 0 ? [a, b] : [Math.abs(b), im < 0 ? -a : a];
}
