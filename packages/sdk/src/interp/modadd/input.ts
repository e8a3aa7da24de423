/**
 * What the analyses of modular addition read. Everything is a plain typed array, so a checkpoint from anywhere can be analysed: `collectModAdd`
 * fills these from a tritlens model, the golden test fills them from a forward pass of its own.
 *
 * Axis names used throughout: `pair` = a * p + b (a slow), `cls` = class c, `key` = token position 0 (a), 1 (b), 2 (=), `head`, `neuron`, `d` = residual channel.
 */

import type { Floats } from "../math/floats.ts";

export type { Floats } from "../math/floats.ts";

/** One weight of the model, as stored and as the forward pass multiplies with it. */
export interface ModAddWeight {
  /** Quantiser of the forward pass; `none` for full precision. */
  readonly quant: string;
  /** The stored (latent) values, shape `[out, in]` (matrices) or `[n]`. */
  readonly latent: Floats;
  /** The quantised and dequantised values the forward pass uses; the same array as `latent` when `quant` is `none`. */
  readonly effective: Floats;
  /** Extents, row-major. */
  readonly shape: readonly number[];
}

/**
 * Weights by short name: `W_E` [vocab, d] (row p is "="), `W_Q`, `W_K`, `W_V`, `W_O` [d, d] (heads slow), `W_in` [neuron, d], `W_out` [d, neuron],
 * `W_U` [classes, d], and where the model has them `gain` [d] (RMSNorm before the unembedding), `W_pos` [ctx, d], `b_in` [neuron], `b_out` [d].
 */
export type ModAddWeights = Readonly<Record<string, ModAddWeight>>;

/** Activations of one model on all p * p inputs `[a, b, "="]`, at the read-out position. */
export interface ModAddActivations {
  /** Modulus. */
  readonly p: number;
  /** Name of the training mode, for the report: `fp32`, `li_binary`, `binary`, `li_ternary`, `ternary`, ... */
  readonly mode: string;
  /** Shape [pair, cls], only the p classes (a 114th class "=" is dropped). */
  readonly logits: Floats;
  /** Shape [pair, neuron], after the ReLU. */
  readonly neurons: Floats;
  /** Shape [pair, head, key], attention of the last position. */
  readonly pattern: Floats;
  /** Shape [d]. the residual stream of "=" before attention (embedding plus position), equal for all pairs. */
  readonly residPre: Floats;
  /** Shape [pair, d]. what attention adds at the read-out position. */
  readonly attnOut: Floats;
  /** Shape [pair, d]. what the MLP adds at the read-out position. */
  readonly mlpOut: Floats;
  /** All weights by short name. */
  readonly weights: ModAddWeights;
  /** Width of the residual stream. */
  readonly dModel: number;
  /** Neurons of the MLP. */
  readonly dMlp: number;
  /** Attention heads. */
  readonly heads: number;
  /** Tokens of an input (3 for `[a, b, "="]`). */
  readonly seq: number;
  /** Divisor of the attention scores: sqrt(d_model) in Li's architecture, sqrt(d_head) in Nanda's. */
  readonly scoreScale: number;
  /** Pairs trained on. */
  readonly trainIndices: readonly number[] | Int32Array;
}

/** Activations to put in place of the model's own, at the read-out position unless said otherwise. */
export interface ModAddReplacements {
  /** Shape [pair, key, d]. token embeddings at every position (before a position embedding is added). */
  readonly embed?: Floats;
  /** Shape [pair, head, key]. */
  readonly pattern?: Floats;
  /** Shape [pair, d]. the residual stream between attention and MLP. */
  readonly residMid?: Floats;
  /** Shape [pair, neuron]. */
  readonly neurons?: Floats;
  /** Shape [pair, d]. the residual stream after the MLP, before the final norm. */
  readonly residPost?: Floats;
}

/** A model that can be run again: what ablations, gradients and isolated circles need beyond {@link ModAddActivations}. */
export interface ModAddProbe {
  /** Logits [pair, cls] of all p * p inputs with some activations replaced. */
  logits(replacements: ModAddReplacements): Promise<Floats>;
  /** Gradients of one logit a triple (a, b, c) with respect to the embeddings of a and b: [triple, 2, d]. */
  embeddingGradients(triples: readonly (readonly [number, number, number])[]): Promise<Floats>;
}

/** How key frequencies are found (the papers publish no threshold, so the rule is declared in every result). */
export type KeyFrequencyRule =
  /** Share of the centred logits' sum of squares along cos(w_k(a+b-c)), at least `threshold` (default rule, default 0.02). */
  | "logit_share"
  /** Distinct dominant frequencies of live neurons; `threshold` = least share of live neurons in the frequency's cluster. */
  | "neuron_argmax"
  /** cos or sin row of the embedding's Fourier transform with norm above `threshold` times the largest (TransformerLens demo: 0.25). */
  | "embedding_norm"
  /** cos or sin row of W_L's Fourier transform along the classes with norm above `threshold` times the largest (Nanda, progress measures). */
  | "unembed_norm";

/** Options of `analyzeModAdd`. */
export interface ModAddOptions {
  /** The rule; `logit_share` when left out. */
  readonly keyFrequencyRule?: KeyFrequencyRule;
  /** Threshold of the rule; each rule has its own default: 0.02, 0.02, 0.25, 0.25. */
  readonly keyFrequencyThreshold?: number;
  /** Fixes the key frequencies instead of finding them (as Nanda does along training). */
  readonly keyFrequencies?: readonly number[];
  /** Least FVE for a neuron to belong to its frequency's cluster. Default 0.85 (Nanda, 4.3). */
  readonly clusterThreshold?: number;
  /** Runs the ablations of section 2.5 (about 15 extra forward passes). Default true when a probe is given. */
  readonly ablations?: boolean;
  /** Fits clock and pizza on isolated circles (one forward pass a key frequency). Default true when a probe is given. */
  readonly circles?: boolean;
  /** An untrained model of the same architecture, for the baseline of gradient symmetricity and distance irrelevance. */
  readonly untrained?: Untrained;
}

/** An untrained model to compare with. */
export interface Untrained {
  /** Its activations on all pairs. */
  readonly activations: ModAddActivations;
  /** Needed for its gradient symmetricity. */
  readonly probe?: ModAddProbe;
}
