/** Synthetic models whose analysis is known in closed form. Test support only: nothing exports it. */
import { answer } from "../math/cross-entropy.ts";
import { cosAt, mod, sinAt } from "../math/fourier.ts";
import type { ModAddActivations, ModAddWeight } from "./input.ts";

/** A weight in full precision. */
export function dense(shape: readonly number[], value: (row: number, column: number) => number): ModAddWeight {
  const columns = shape[1] ?? 1;
  const data = Float64Array.from({ length: shape.reduce((n, m) => n * m, 1) }, (_, i) => value(Math.floor(i / columns), i % columns));
  return { quant: "none", latent: data, effective: data, shape };
}

/** Logits s * sum_k cos(w_k(a+b-c)), [pair, cls]. */
export function clockLogits(p: number, ks: readonly number[], s: number): Float64Array {
  return Float64Array.from({ length: p ** 3 }, (_, i) => s * ks.reduce((sum, k) => sum + cosAt(k, answer(Math.floor(i / p), p) - (i % p), p), 0));
}

/** |cos(w(a-b)/2)| (|cos(w(a+b-c)/2)| - |sin(w(a+b-c)/2)|). */
export function pizzaLogits(p: number, k: number): Float64Array {
  const half = (t: number): number => (Math.PI * mod(k * t, p)) / p;
  return Float64Array.from({ length: p ** 3 }, (_, i) => {
    const [a, b, c] = [Math.floor(i / (p * p)), Math.floor(i / p) % p, i % p];
    const t = half(a + b - c);
    return Math.abs(Math.cos(half(a - b))) * (Math.abs(Math.cos(t)) - Math.abs(Math.sin(t)));
  });
}

/**
 * A complete synthetic clock: embeddings are circles of the frequencies, neuron i is a degree-2 polynomial of frequency ks[i mod |ks|] with a phase of its own, and W_U W_out reads out
 * cos(w_k(a+b-c)).
 */
export function clockModel(p: number, ks: readonly number[], scale = 2): ModAddActivations {
  const d = 2 * ks.length;
  const dMlp = 2 * ks.length;
  const identity = dense([d, d], (i, j) => (i === j ? 1 : 0));
  const wave = (k: number, column: number, t: number): number => (column % 2 === 0 ? cosAt(k, t, p) : sinAt(k, t, p));
  const of = (column: number): number => ks[Math.floor(column / 2)] as number;
  return {
    p,
    mode: "fp32",
    logits: clockLogits(p, ks, scale),
    neurons: Float64Array.from({ length: p * p * dMlp }, (_, i) => 1.5 + wave(of(i % dMlp), i % dMlp, answer(Math.floor(i / dMlp), p))),
    pattern: new Float64Array(p * p * 2 * 3).fill(1 / 3),
    residPre: new Float64Array(d),
    attnOut: new Float64Array(p * p * d),
    mlpOut: new Float64Array(p * p * d),
    weights: {
      W_E: dense([p + 1, d], (t, j) => (t < p ? wave(of(j), j, t) : 0)),
      W_Q: identity,
      W_K: identity,
      W_V: identity,
      W_O: identity,
      W_in: dense([dMlp, d], (i, j) => (i === j ? 1 : 0)),
      W_out: dense([d, dMlp], (i, j) => (i === j ? 1 : 0)),
      W_U: dense([p, d], (c, j) => scale * wave(of(j), j, c)),
    },
    dModel: d,
    dMlp,
    heads: 2,
    seq: 3,
    scoreScale: Math.sqrt(d),
    trainIndices: Array.from({ length: Math.floor(p * p * 0.3) }, (_, i) => i * 3),
  };
}
