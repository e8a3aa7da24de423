/** Neuron activations with some of their 2-D Fourier terms kept or removed, as arrays to run the model on. */
import { filterLine, LINES, type Line, lineIndex, meanOverPairs } from "../math/marginals.ts";
import { orthonormalRows } from "../math/matrix.ts";
import type { Prepared } from "./prepare.ts";
import { keyRows } from "./unembed.ts";

/** Filtered functions of a, b, a+b and a-b, each [p, neuron]. */
type Parts = Partial<Record<Line, Float64Array>>;

/** Every neuron's terms of the frequencies `ks` on the given lines. */
function parts({ basis, neuronHat, p, acts }: Prepared, ks: readonly number[], lines: readonly Line[]): Parts {
  return Object.fromEntries(lines.map((line) => [line, filterLine(basis, neuronHat[line], ks, p, acts.dMlp)]));
}

/** Sum of the parts at one pair, added with a sign to `row`. */
function addParts(row: Float32Array, part: Parts, pair: number, p: number, sign: number, n: number): void {
  for (const [line, values] of Object.entries(part) as [Line, Float64Array][]) {
    const from = lineIndex[line](Math.floor(pair / p), pair % p, p) * n;
    for (let j = 0; j < n; j++) row[j] += sign * values[from + j];
  }
}

/** All eight terms of one frequency removed from every neuron. */
export function withoutFrequency(prepared: Prepared, k: number): Float32Array {
  const { p, acts } = prepared;
  const out = Float32Array.from(acts.neurons);
  const part = parts(prepared, [k], LINES);
  for (let pair = 0; pair < p * p; pair++) addParts(out.subarray(pair * acts.dMlp, (pair + 1) * acts.dMlp), part, pair, p, -1, acts.dMlp);
  return out;
}

/**
 * Every neuron cut down to its mean and cos, sin(w_k(a+b)) of the key frequencies.
 *
 * @param linear - Keeps as well what is a function of a plus a function of b. Where the residual stream around the MLP carries linear terms of its own, the MLP's
 *   cancel them, and taking them away uncovers the others.
 */
export function onlySums(prepared: Prepared, ks: readonly number[], linear: boolean): Float32Array {
  const { p, acts, neuronSums } = prepared;
  const n = acts.dMlp;
  const mean = meanOverPairs(neuronSums, p, n);
  const deviation = (sums: Float64Array): Float64Array => sums.map((value, i) => value / p - mean[i % n]);
  const part: Parts = { ...parts(prepared, ks, ["sum"]), ...(linear ? { a: deviation(neuronSums.a), b: deviation(neuronSums.b) } : {}) };
  const out = new Float32Array(acts.neurons.length);
  for (let pair = 0; pair < p * p; pair++) {
    const row = out.subarray(pair * n, (pair + 1) * n);
    row.set(mean);
    addParts(row, part, pair, p, 1, n);
  }
  return out;
}

/**
 * Neurons of a cluster replaced by their degree-2 polynomial: mean plus the eight terms of the neuron's own frequency. Others stay.
 *
 * @param cluster - Frequency of each neuron, 0 for those left alone.
 */
export function degree2(prepared: Prepared, cluster: readonly number[]): Float32Array {
  const { p, acts, neuronSums } = prepared;
  const out = Float32Array.from(acts.neurons);
  const mean = meanOverPairs(neuronSums, p, acts.dMlp);
  for (const k of new Set(cluster.filter((value) => value > 0))) {
    const columns = cluster.flatMap((value, i) => (value === k ? [i] : []));
    setPolynomial(out, mean, parts(prepared, [k], LINES) as Record<Line, Float64Array>, columns, p, acts.dMlp);
  }
  return out;
}

function setPolynomial(out: Float32Array, mean: Float64Array, part: Record<Line, Float64Array>, columns: number[], p: number, n: number): void {
  for (let pair = 0; pair < p * p; pair++) {
    const rows = LINES.map((line) => ({ values: part[line], from: lineIndex[line](Math.floor(pair / p), pair % p, p) * n }));
    for (const j of columns) out[pair * n + j] = rows.reduce((sum, { values, from }) => sum + values[from + j], mean[j]);
  }
}

/** Neurons projected on span{u_k, v_k} (rows of F W_L at the key frequencies), or on its orthogonal complement. */
export function projectOnReadout({ acts, wlHat }: Prepared, ks: readonly number[], keep: boolean): Float32Array {
  const n = acts.dMlp;
  const rows = keyRows(ks);
  const directions = new Float64Array(rows.length * n);
  rows.forEach((row, i) => void directions.set(wlHat.subarray(row * n, (row + 1) * n), i * n));
  const basis = orthonormalRows(directions, rows.length, n);
  const out = keep ? new Float32Array(acts.neurons.length) : Float32Array.from(acts.neurons);
  for (let from = 0; from < out.length; from += n) {
    for (const unit of basis) addAlong(out.subarray(from, from + n), acts.neurons.subarray(from, from + n), unit, keep ? 1 : -1);
  }
  return out;
}

function addAlong(row: Float32Array, source: Float32Array | Float64Array, unit: Float64Array, sign: number): void {
  let along = 0;
  for (let j = 0; j < unit.length; j++) along += source[j] * unit[j];
  for (let j = 0; j < unit.length; j++) row[j] += sign * along * unit[j];
}
