/** Activations of a tritlens model on all p * p sums, and the model as a probe. Only the public calls of `Model` are used. */
import { TritlensError } from "../../core/index.ts";
import type { Model } from "../../hooks/index.ts";
import { modeOf, type TransformerConfig } from "../../models/index.ts";
import { checkModulus } from "./check.ts";
import type { ModAddActivations } from "./input.ts";
import { modAddWeights } from "./parameters.ts";
import type { LogitActivations } from "./prepare.ts";

/** What a model does not know about itself. */
export interface CollectOptions {
  /** Modulus; the model's number of input tokens less one ("=") when left out. */
  readonly p?: number;
  /** Pairs `a * p + b` trained on. */
  readonly trainIndices: readonly number[] | Int32Array;
  /** Name of the mode in results; the quantiser's when left out. */
  readonly mode?: string;
}

/** Pairs that run together: their activations are about 10 MB. */
export const PART = 256;

/** Names of the activations that are read, and how many numbers of one the read-out position has. */
const SITES = {
  pattern: "blocks.0.attn.hook_pattern",
  attnOut: "blocks.0.hook_attn_out",
  neurons: "blocks.0.mlp.hook_post",
  mlpOut: "blocks.0.hook_mlp_out",
} as const;

/** Tokens [a, b, p] of pairs `a * p + b`. */
export function pairTokens(p: number, pairs: ArrayLike<number>): { data: Int32Array; shape: [number, number] } {
  const data = new Int32Array(pairs.length * 3);
  for (let row = 0; row < pairs.length; row++) data.set([Math.floor((pairs[row] as number) / p), (pairs[row] as number) % p, p], row * 3);
  return { data, shape: [pairs.length, 3] };
}

/** The pairs from..to. */
export const pairRange = (from: number, to: number): Int32Array => Int32Array.from({ length: to - from }, (_, i) => from + i);

/** Calls `each` on consecutive ranges of pairs. */
export function forParts(pairs: number, each: (from: number, to: number) => void): void {
  for (let from = 0; from < pairs; from += PART) each(from, Math.min(pairs, from + PART));
}

/**
 * The model's configuration, if it is one that these analyses fit: one block with ReLU neurons, three tokens, logits at the last position.
 *
 * @throws TritlensError E_SPEC saying what does not fit; E_RANGE for a modulus the model has no tokens for.
 */
export function modAddConfig(model: Model, p?: number): TransformerConfig & { p: number } {
  const { config } = model;
  if (!config)
    throw new TritlensError("E_SPEC", "the analysis needs a transformer made from a config", {
      expected: "Model.fromConfig",
      found: "Model.fromSpec",
    });
  const fits = config.nLayers === 1 && !config.attnOnly && !config.gatedMlp && !config.parallelAttnMlp && config.nKeyValueHeads === config.nHeads;
  if (!fits || config.readout !== "last" || config.nCtx < 3) {
    throw new TritlensError("E_SPEC", "the model is of another architecture", {
      expected: "one block of attention and plain MLP, 3 tokens, readout last",
      found: `${config.nLayers} blocks, context ${config.nCtx}, readout ${config.readout}`,
    });
  }
  const modulus = p ?? config.dVocab - 1;
  checkModulus(modulus);
  if (modulus + 1 > config.dVocab || modulus > config.dVocabOut) {
    throw new TritlensError("E_RANGE", "the model is too small for this modulus", {
      expected: `p < ${Math.min(config.dVocab, config.dVocabOut + 1)}`,
      found: String(modulus),
    });
  }
  return { ...config, p: modulus };
}

/**
 * Runs the model on all p * p inputs and keeps what the analyses read.
 *
 * @returns f32 activations, see {@link ModAddActivations}; about 50 MB at p = 113.
 * @throws TritlensError E_SPEC when the model is of another architecture; E_RANGE for a modulus it has no tokens for.
 */
export function collectModAdd(model: Model, options: CollectOptions): ModAddActivations {
  const { p, dModel, dMlp, nHeads: heads, attnScale } = modAddConfig(model, options.p);
  const pairs = p * p;
  const kept = {
    logits: new Float32Array(pairs * p),
    pattern: new Float32Array(pairs * heads * 3),
    attnOut: new Float32Array(pairs * dModel),
    neurons: new Float32Array(pairs * dMlp),
    mlpOut: new Float32Array(pairs * dModel),
  };
  forParts(pairs, (from, to) => {
    const { logits, cache } = model.runWithCache(pairTokens(p, pairRange(from, to)), { names: Object.values(SITES) });
    copyRows(logits.data, kept.logits, from, to, p);
    for (const [key, name] of Object.entries(SITES) as [keyof typeof SITES, string][]) {
      // The pattern is [batch, head, query, key], so its last query of each head comes out in order as well.
      const groups = key === "pattern" ? heads : 1;
      copyLast(cache.get(name).data, kept[key], from, to, groups);
    }
  });
  return {
    p,
    mode: options.mode ?? modeOf(model.config?.quantizer ?? "none"),
    ...kept,
    residPre: residPre(model, p),
    weights: modAddWeights(model),
    dModel,
    dMlp,
    heads,
    seq: 3,
    scoreScale: attnScale,
    trainIndices: options.trainIndices,
  };
}

/**
 * Logits [pair, class] of all pairs, cut to the p number classes, and the weights: enough for `progressMeasures`.
 *
 * A model without positions and without a causal mask computes a symmetric function of (a, b), so it runs on the pairs a <= b only and the rest is
 * mirrored. `collectModAdd` runs everything, and `symmetric_max_abs` of its analysis shows what that symmetry is worth in f32.
 */
export function collectLogits(model: Model, options: CollectOptions): LogitActivations {
  const { p, dModel, dMlp, positions, attentionDir } = modAddConfig(model, options.p);
  const symmetric = positions === "none" && attentionDir === "bidirectional";
  const all = pairRange(0, p * p);
  const pairs = symmetric ? all.filter((pair) => Math.floor(pair / p) <= pair % p) : all;
  const logits = new Float32Array(p ** 3);
  forParts(pairs.length, (from, to) => {
    const part = pairs.subarray(from, to);
    scatterRows(model.forward(pairTokens(p, part)).data, logits, part, p);
  });
  if (symmetric) mirror(logits, p);
  return { p, logits, weights: modAddWeights(model), dModel, dMlp, trainIndices: options.trainIndices };
}

function scatterRows(source: Float32Array, target: Float32Array, pairs: Int32Array, p: number): void {
  const width = source.length / pairs.length;
  pairs.forEach((pair, row) => void target.set(source.subarray(row * width, row * width + p), pair * p));
}

/** Fills logits of (b, a) from (a, b), a < b. */
function mirror(logits: Float32Array, p: number): void {
  for (let a = 0; a < p; a++) {
    for (let b = a + 1; b < p; b++) logits.copyWithin((b * p + a) * p, (a * p + b) * p, (a * p + b + 1) * p);
  }
}

/** Copies the first p classes of each row; Nanda's models have one more. */
export function copyRows(source: Float32Array, target: Float32Array, from: number, to: number, p: number): void {
  const width = source.length / (to - from);
  for (let row = 0; row < to - from; row++) target.set(source.subarray(row * width, row * width + p), (from + row) * p);
}

/** Copies the last of three positions of each row (and group): source [rows, groups, 3, n], target [pair, groups, n]. */
function copyLast(source: Float32Array, target: Float32Array, from: number, to: number, groups: number): void {
  const rows = (to - from) * groups;
  const n = source.length / (rows * 3);
  for (let row = 0; row < rows; row++) target.set(source.subarray((row * 3 + 2) * n, (row * 3 + 3) * n), (from * groups + row) * n);
}

/** The residual stream of "=" before attention; it depends on no other token. */
function residPre(model: Model, p: number): Float32Array {
  const { cache } = model.runWithCache([[0, 0, p]], { names: "blocks.0.hook_resid_pre" });
  const { data } = cache.get("blocks.0.hook_resid_pre");
  return data.slice((data.length / 3) * 2);
}
