/** 2-D Fourier spectrum of the logits over (a, b) (Nanda 2023, 4.1): a grokked model has only same-frequency 2 x 2 blocks. */
import { rowNorms, transform2d } from "../math/fourier.ts";
import { ratio } from "../math/statistics.ts";
import type { PreparedLogits } from "./prepare.ts";
import type { LogitSpectrum } from "./types.ts";

/** Entries with a norm above this share of the largest are significant (the paper says only "significant"; ours to declare). */
const SIGNIFICANT = 0.1;

/** ||L^[f, g, :]|| for all f, g, [p, p], the constant entry included. About 0.4 s at p = 113. */
export function logitNorms({ basis, logits, p }: PreparedLogits): Float64Array {
  return rowNorms(transform2d(basis, logits, p, p), p * p, p);
}

/** Summarises the norms of {@link logitNorms}. */
export function analyzeLogitSpectrum(prepared: PreparedLogits, norms: Float64Array, ks: readonly number[]): LogitSpectrum {
  const { p, logitHat } = prepared;
  const power = norms.map((value, i) => (i === 0 ? 0 : value * value));
  const total = power.reduce((sum, value) => sum + value, 0);
  const largest = power.reduce((top, value) => Math.max(top, value), 0);
  const significant = [...power.keys()].filter((i) => power[i] > SIGNIFICANT ** 2 * largest && largest > 0);
  const blocks = ks.reduce((sum, k) => sum + blockPower(power, k, p), 0);
  return {
    significant: significant.length,
    in_blocks: significant.filter((i) => inBlock(Math.floor(i / p), i % p)).length,
    threshold: SIGNIFICANT,
    key_block_share: ratio(blocks, total),
    key_sum_share: ratio(sumDirectionPower(logitHat.sum, ks, p), total),
  };
}

const inBlock = (f: number, g: number): boolean => f > 0 && g > 0 && Math.ceil(f / 2) === Math.ceil(g / 2);

function blockPower(power: Float64Array, k: number, p: number): number {
  const at = (f: number, g: number): number => power[f * p + g];
  return at(2 * k - 1, 2 * k - 1) + at(2 * k - 1, 2 * k) + at(2 * k, 2 * k - 1) + at(2 * k, 2 * k);
}

function sumDirectionPower(hatOfSums: Float64Array, ks: readonly number[], p: number): number {
  let power = 0;
  for (const k of ks) for (let i = (2 * k - 1) * p; i < (2 * k + 1) * p; i++) power += hatOfSums[i] ** 2 / p;
  return power;
}
