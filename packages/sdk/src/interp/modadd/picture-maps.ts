/** Images of attention, neurons and codes. */
import { frequencies } from "../math/fourier.ts";
import type { Floats, ModAddActivations, ModAddWeights } from "./input.ts";
import { heatMap, round } from "./picture-parts.ts";
import type { AttentionMap, CodeImage, HeatMap, NeuronMap } from "./pictures-types.ts";
import type { Prepared } from "./prepare.ts";
import type { NeuronSummary } from "./types.ts";

const KEYS = ["a", "b", "="] as const;
/** Neuron images at most. */
const NEURONS = 8;

/** Column j of X [pair, n] as an image over (a, b). */
function columnMap(x: Floats, n: number, j: number, p: number): HeatMap {
  return heatMap(
    p,
    p,
    Float64Array.from({ length: p * p }, (_, pair) => x[pair * n + j]),
  );
}

/** Each head's attention to a, and the first head's to b and "=" as well. */
export function attentionMaps({ pattern, heads, seq, p }: ModAddActivations): AttentionMap[] {
  const one = (head: number, key: number): AttentionMap => ({
    title: `head ${head}: attention to ${KEYS[key]}`,
    head,
    key: KEYS[key],
    map: columnMap(pattern, heads * seq, head * seq + key, p),
  });
  return [...Array.from({ length: heads }, (_, head) => one(head, 0)), one(0, 1), one(0, 2)];
}

/** The purest neuron of each of the largest clusters, and the least pure live one. */
export function neuronMaps({ acts, p }: Prepared, { clusters, frequency, fve }: NeuronSummary): NeuronMap[] {
  const largest = Object.keys(clusters)
    .map(Number)
    .sort((x, y) => clusters[y] - clusters[x])
    .slice(0, NEURONS - 1);
  const live = [...fve.keys()].filter((i) => frequency[i] > 0).sort((x, y) => fve[y] - fve[x]);
  const chosen = [...largest.map((k) => live.find((i) => frequency[i] === k)), live.at(-1)].filter((i) => i !== undefined);
  return chosen.map((neuron) => ({
    title: `neuron ${neuron}: frequency ${frequency[neuron]}, FVE ${fve[neuron].toFixed(2)}`,
    neuron,
    frequency: frequency[neuron],
    fve: round(fve[neuron]),
    map: columnMap(acts.neurons, acts.dMlp, neuron, p),
  }));
}

/** Codes as characters. */
export function codeImages(weights: ModAddWeights): CodeImage[] {
  const quantised = Object.entries(weights).filter(([, { quant }]) => quant !== "none");
  return quantised.map(([name, { effective, shape }]) => ({ name, rows: shape[0], cols: shape[1], codes: codeText(effective) }));
}

function codeText(effective: Floats): string {
  return Array.from(effective, (value) => (value > 0 ? "+" : value < 0 ? "-" : "0")).join("");
}

/**
 * Norm over neurons of the 2-D Fourier components with const or one frequency on both axes, [p, p]; other entries are 0. From line sums: with S, D the transforms of the
 * sums over equal a+b and a-b, cos cos = (S_c + D_c) / sqrt(2p), sin sin = (D_c - S_c) / sqrt(2p), sin cos = (S_s + D_s) / sqrt(2p), cos sin = (S_s - D_s) / sqrt(2p).
 */
export function neuronSpectrum({ neuronHat, p, acts }: Prepared): HeatMap {
  const n = acts.dMlp;
  const out = new Float64Array(p * p);
  const put = (f: number, g: number, value: (j: number) => number): void => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += value(j) ** 2;
    out[f * p + g] = Math.sqrt(sum);
  };
  const { a, b, sum, difference } = neuronHat;
  const root = Math.sqrt(2 * p);
  for (const k of frequencies(p)) {
    const [c, s] = [(2 * k - 1) * n, 2 * k * n];
    for (const row of [2 * k - 1, 2 * k]) {
      put(row, 0, (j) => a[row * n + j] / Math.sqrt(p));
      put(0, row, (j) => b[row * n + j] / Math.sqrt(p));
    }
    put(2 * k - 1, 2 * k - 1, (j) => (sum[c + j] + difference[c + j]) / root);
    put(2 * k, 2 * k, (j) => (difference[c + j] - sum[c + j]) / root);
    put(2 * k, 2 * k - 1, (j) => (sum[s + j] + difference[s + j]) / root);
    put(2 * k - 1, 2 * k, (j) => (sum[s + j] - difference[s + j]) / root);
  }
  return heatMap(p, p, out);
}
