/** The two architectures of the modular-addition literature, ready to train. */
import { TritlensError } from "../core/errors.ts";
import { type Mode, quantizerOf, type TransformerConfig, type TransformerOptions, transformerConfig } from "./config.ts";

/** What both ready configurations take; any other field of the config can be overridden. */
export interface ReadyOptions extends Partial<TransformerOptions> {
  /** Modulus, at least 3. */
  readonly p: number;
  /** Training mode; `fp32` when left out. */
  readonly mode?: Mode;
}

/** Sizes that both papers share: one block, d_model 128, 4 heads of 32, 512 ReLU neurons, tokens [a, b, "="]. */
const SHARED = {
  nLayers: 1,
  dModel: 128,
  nHeads: 4,
  dHead: 32,
  dMlp: 512,
  nCtx: 3,
  actFn: "relu",
  normalization: "none",
  readout: "last",
  attnBias: false,
} as const;

/**
 * Li 2024 (arXiv 2405.17703, released code): no positions, no causal mask, scores divided by sqrt(d_model), no norm inside the block, RMSNorm with
 * gain before the unembedding, no biases; W_Q, W_K, W_V, W_O, W_in and W_out quantised; p classes. The function is symmetric in (a, b) by construction.
 *
 * @throws E_RANGE when p is not an integer of at least 3; E_MODE for an unknown mode.
 */
export function liConfig({ p, mode, ...rest }: ReadyOptions): TransformerConfig {
  const dModel = rest.dModel ?? SHARED.dModel;
  return transformerConfig({
    ...SHARED,
    dVocab: requireModulus(p) + 1,
    dVocabOut: p,
    positions: "none",
    attentionDir: "bidirectional",
    attnScale: Math.sqrt(dModel),
    finalNorm: "RMS",
    finalNormEps: 0,
    // The code normalises with x / max(|x|, 1e-12) * sqrt(d): the same bound on the root mean square.
    finalNormFloor: 1e-12 / Math.sqrt(dModel),
    mlpBias: false,
    unembedBias: false,
    init: "li",
    quantizer: quantizerOf(mode ?? "fp32"),
    ...rest,
  });
}

/**
 * Nanda et al. 2023 (arXiv 2301.05217, code): learned positions, causal, scores divided by sqrt(d_head), no norms, biases in the MLP only, p + 1 output
 * classes ("=" is trained on as a class and dropped in the analyses). `mode` puts the quantisers into the same six matrices.
 *
 * @throws E_RANGE when p is not an integer of at least 3; E_MODE for an unknown mode.
 */
export function nandaConfig({ p, mode, ...rest }: ReadyOptions): TransformerConfig {
  return transformerConfig({
    ...SHARED,
    dVocab: requireModulus(p) + 1,
    positions: "standard",
    attentionDir: "causal",
    mlpBias: true,
    unembedBias: false,
    init: "nanda",
    quantizer: quantizerOf(mode ?? "fp32"),
    ...rest,
  });
}

/** Checks a modulus and returns it. @throws E_RANGE. */
export function requireModulus(p: number): number {
  if (Number.isInteger(p) && p >= 3 && p <= 65535) return p;
  throw new TritlensError("E_RANGE", "wrong modulus p", { expected: "an integer in [3, 65535]", found: String(p) });
}
