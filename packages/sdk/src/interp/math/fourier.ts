/**
 * The orthonormal Fourier basis of functions on Z_p, in the order of Nanda 2023's released code: constant, cos 1, sin 1, cos 2, sin 2, ...
 *
 * There are floor((p-1)/2) frequencies, each once. (Li 2024's notebooks run to p//2 + 1 and count the last frequency twice, trap B2 of their code, and
 * label the sin rows "cos", trap B3; here row 2k-1 is the cosine and row 2k the sine.) For even p a last row holds the alternating function (-1)^t,
 * so that the basis is complete; it has no sine and is never counted as a frequency.
 */
import type { Floats } from "./floats.ts";

/** Number of frequencies with both a cosine and a sine: floor((p-1)/2). */
export const frequencyCount = (p: number): number => Math.floor((p - 1) / 2);

/** All frequencies, 1..floor((p-1)/2). */
export const frequencies = (p: number): number[] => Array.from({ length: frequencyCount(p) }, (_, i) => i + 1);

/** cos(2 pi k t / p), exact in the argument for any integers k, t (reduced mod p before the cosine). */
export function cosAt(k: number, t: number, p: number): number {
  return Math.cos((2 * Math.PI * mod(k * t, p)) / p);
}

/** sin(2 pi k t / p), reduced like {@link cosAt}. */
export function sinAt(k: number, t: number, p: number): number {
  return Math.sin((2 * Math.PI * mod(k * t, p)) / p);
}

/** The remainder in 0..p-1, for negative numbers as well. */
export const mod = (value: number, p: number): number => ((value % p) + p) % p;

/**
 * The basis F, shape `[row, t]` = [p, p], F F^T = 1.
 *
 * @param p - Modulus, at least 3.
 * @returns Row 0 = 1/sqrt(p); row 2k-1 = sqrt(2/p) cos(w_k t); row 2k = sqrt(2/p) sin(w_k t).
 */
export function fourierBasis(p: number): Float64Array {
  const basis = new Float64Array(p * p);
  const unit = Math.sqrt(2 / p);
  basis.fill(1 / Math.sqrt(p), 0, p);
  for (const k of frequencies(p)) {
    for (let t = 0; t < p; t++) {
      basis[(2 * k - 1) * p + t] = unit * cosAt(k, t, p);
      basis[2 * k * p + t] = unit * sinAt(k, t, p);
    }
  }
  if (p % 2 === 0) for (let t = 0; t < p; t++) basis[(p - 1) * p + t] = (t % 2 === 0 ? 1 : -1) / Math.sqrt(p);
  return basis;
}

/** Labels of the rows of {@link fourierBasis}. */
export function basisLabels(p: number): string[] {
  const labels = ["const", ...frequencies(p).flatMap((k) => [`cos ${k}`, `sin ${k}`])];
  return p % 2 === 0 ? [...labels, "alternating"] : labels;
}

/**
 * F X for X of shape [p, columns]: the transform along the first axis, each column by itself.
 *
 * @returns [row of F, columns].
 */
export function transform(basis: Floats, x: Floats, p: number, columns: number): Float64Array {
  const out = new Float64Array(p * columns);
  const f64 = Float64Array.from(basis);
  for (let from = 0; from < columns; from += BLOCK) transformBlock(out, f64, copyBlock(x, p, columns, from), p, columns, from);
  return out;
}

/** Columns done at once: a block of X (p x 64 numbers) stays in the L2 cache for all p rows of F. */
const BLOCK = 64;

/** Columns from..from+BLOCK of X as one contiguous f64 block [p, width], so that the inner loop sees one kind of array only. */
function copyBlock(x: Floats, p: number, columns: number, from: number): Float64Array {
  const width = Math.min(BLOCK, columns - from);
  const block = new Float64Array(p * width);
  for (let t = 0; t < p; t++) for (let j = 0; j < width; j++) block[t * width + j] = x[t * columns + from + j];
  return block;
}

/** F times one block, four tokens a pass, so that the result is loaded and stored once for four products. */
function transformBlock(out: Float64Array, basis: Float64Array, block: Float64Array, p: number, columns: number, from: number): void {
  const width = block.length / p;
  const full = p - (p % 4);
  for (let f = 0; f < p; f++) {
    const row = f * columns + from;
    for (let t = 0; t < full; t += 4) addFour(out, row, basis, f * p + t, block, t * width, width);
    for (let t = full; t < p; t++) for (let j = 0; j < width; j++) out[row + j] += basis[f * p + t] * block[t * width + j];
  }
}

function addFour(out: Float64Array, row: number, basis: Float64Array, at: number, block: Float64Array, start: number, width: number): void {
  const w0 = basis[at];
  const w1 = basis[at + 1];
  const w2 = basis[at + 2];
  const w3 = basis[at + 3];
  for (let j = 0; j < width; j++) {
    const i = start + j;
    out[row + j] += w0 * block[i] + w1 * block[i + width] + w2 * block[i + 2 * width] + w3 * block[i + 3 * width];
  }
}

/**
 * The 2-D transform X^[f, g, n] = sum_{a,b} F[f,a] F[g,b] X[a,b,n] (Nanda 2023). Dear: p^3 n products twice. For the entries that the analyses of
 * key frequencies need, `marginals` (marginals.ts) gives the same numbers from four 1-D transforms.
 *
 * @param x - [a, b, n] = [p, p, n].
 * @returns [f, g, n].
 */
export function transform2d(basis: Floats, x: Floats, p: number, n: number): Float64Array {
  const alongA = transform(basis, x, p, p * n);
  const out = new Float64Array(p * p * n);
  for (let f = 0; f < p; f++) out.set(transform(basis, alongA.subarray(f * p * n, (f + 1) * p * n), p, n), f * p * n);
  return out;
}

/** Euclidean norm of each of the `rows` rows of a matrix. */
export function rowNorms(x: Floats, rows: number, columns: number): Float64Array {
  const norms = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += x[r * columns + j] ** 2;
    norms[r] = Math.sqrt(sum);
  }
  return norms;
}

/** From norms of Fourier rows to the power cos^2 + sin^2 of each frequency (entry k-1). */
export function powerByFrequency(norms: Floats, p: number): Float64Array {
  return Float64Array.from(frequencies(p), (k) => norms[2 * k - 1] ** 2 + norms[2 * k] ** 2);
}
