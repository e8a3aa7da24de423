/** The configuration of the transformer family: every field, its default, and the checks that name a wrong one. */
import { TritlensError, unknownName } from "../core/errors.ts";
import { ACT_FNS, type ActFn, type Quantizer } from "../spec/index.ts";

/** Normalisation before attention, MLP and unembedding: the `Pre` kinds have no learned gain and bias. */
export type Normalization = "none" | "LN" | "LNPre" | "RMS" | "RMSPre";
const NORMALIZATIONS: readonly Normalization[] = ["none", "LN", "LNPre", "RMS", "RMSPre"];

/** How a model knows positions; `shortformer` adds them to the inputs of queries and keys only (Press et al. 2021). */
export type Positions = "standard" | "rotary" | "shortformer" | "none";
const POSITIONS: readonly Positions[] = ["standard", "rotary", "shortformer", "none"];

/** Scheme of the initial weights: TransformerLens's gpt2 scheme, Li's (2405.17703, code) or Nanda's (2301.05217, code). */
export type InitScheme = "transformerlens" | "li" | "nanda";

/** A complete configuration. Write a {@link TransformerOptions} and let {@link transformerConfig} fill in the rest. */
export interface TransformerConfig {
  /** Number of blocks. */
  readonly nLayers: number;
  /** Width of the residual stream. */
  readonly dModel: number;
  /** Attention heads a block. */
  readonly nHeads: number;
  /** Width of a head. */
  readonly dHead: number;
  /** Width of the MLP; 0 when `attnOnly`. */
  readonly dMlp: number;
  /** Longest sequence. */
  readonly nCtx: number;
  /** Number of token ids. */
  readonly dVocab: number;
  /** Number of output classes. */
  readonly dVocabOut: number;
  /** Activation function of the MLP. */
  readonly actFn: ActFn;
  /** act(x W_gate) * (x W_in) + b_in instead of act(x W_in + b_in). */
  readonly gatedMlp: boolean;
  /** No MLPs. */
  readonly attnOnly: boolean;
  /** Attention and MLP both read the block's input (GPT-J, GPT-NeoX). */
  readonly parallelAttnMlp: boolean;
  /** Inside the blocks. */
  readonly normalization: Normalization;
  /** Before the unembedding. */
  readonly finalNorm: Normalization;
  /**
   * Run ln1 once each for queries, keys and values, as TransformerLens does. The numbers are the same, but hooks at ln1 then see the queries' copy only;
   * its gradient there is what TransformerLens reports for ln1. Leave it off (one ln1, the whole gradient) for anything else.
   */
  readonly splitNorm: boolean;
  /** Added to the mean square under the root, inside the blocks. */
  readonly normEps: number;
  /** The same for the final norm. */
  readonly finalNormEps: number;
  /** Least divisor of the final norm; Li's model bounds the norm of x, not its mean square. */
  readonly finalNormFloor: number;
  /** Kind of position information. */
  readonly positions: Positions;
  /** Leading entries of a head that are rotated. */
  readonly rotaryDim: number;
  /** Base of the rotation frequencies. */
  readonly rotaryBase: number;
  /** Rotate pairs (2i, 2i+1) instead of (i, i + dim/2). */
  readonly rotaryAdjacentPairs: boolean;
  /** rotaryDim/2 inverse frequencies in radians a position, used instead of `rotaryBase` (scaled contexts); null for the base's own. */
  readonly rotaryFreqs: readonly number[] | null;
  /** Factor of cosine and sine (YaRN's attention factor); 1 otherwise. */
  readonly rotaryScale: number;
  /** `causal` masks keys behind the query; `bidirectional` masks nothing. */
  readonly attentionDir: "causal" | "bidirectional";
  /** Fewer than `nHeads` is grouped-query attention. */
  readonly nKeyValueHeads: number;
  /** Divisor of q . k; sqrt(dHead) by default. */
  readonly attnScale: number;
  /** RMS norm with a gain of every head's query and key before the rotation (Qwen3). */
  readonly qkNorm: boolean;
  /** RMS norm with a gain before W_O (of all heads together) and before W_out: BitNet b1.58's sub-norms. */
  readonly subNorm: boolean;
  /** RMS norm with a gain of its own before every quantised matrix (`use_rms_norm` of transformers' BitLinear). */
  readonly linearNorm: boolean;
  /** Added to that norm's mean square. */
  readonly linearNormEps: number;
  /** b_Q, b_K and b_V. */
  readonly attnBias: boolean;
  /** b_O; as `attnBias` by default. */
  readonly attnOutBias: boolean;
  /** b_in and b_out. */
  readonly mlpBias: boolean;
  /** Gated MLPs: act(x W_gate + b_gate) * (x W_in + b_in) as in Llama's `mlp_bias`, instead of TransformerLens's b_in after the product. */
  readonly gateBias: boolean;
  /** b_U. */
  readonly unembedBias: boolean;
  /** Quantiser of W_Q, W_K, W_V, W_O, W_in, W_gate and W_out. */
  readonly quantizer: Quantizer;
  /** Quantise what goes into those matrices: symmetric int8 per token (BitNet b1.58). */
  readonly actQuant: "none" | "int8";
  /** Names of matrices that neither `quantizer` nor `actQuant` touches (`modules_to_not_convert`), such as `blocks.0.attn.W_Q`. */
  readonly plainMatrices: readonly string[];
  /**
   * Sites inside of every matrix with int8 activations: `hook_in`, `hook_in_codes`, `hook_in_scale`, `hook_acc`, `hook_out` under `attn.{q,k,v,o}` and
   * `mlp.{gate,in,out}`. On by default where there is `actQuant`.
   */
  readonly quantSites: boolean;
  /** Sites `unembed.hook_in` and `unembed.hook_out` (the logits), which TransformerLens has since version 4. On by default where `stored` is. */
  readonly unembedSites: boolean;
  /** The unembedding multiplies with W_E; there is no W_U of its own. */
  readonly tiedEmbeddings: boolean;
  /** Matrices are kept as a file has them (packed, F16, ...), filled by the loader and never trained. */
  readonly stored: boolean;
  /** Logits at the last position only ([batch, class]), or at all ([batch, pos, class]). */
  readonly readout: "last" | "all";
  /** Scheme of the initial weights. */
  readonly init: InitScheme;
}

/** Fields without a default. */
export type RequiredSize = "nLayers" | "dModel" | "dHead" | "nCtx" | "dVocab";

/** What a caller writes: sizes are needed, the rest has TransformerLens's defaults. */
export type TransformerOptions = Pick<TransformerConfig, RequiredSize> & Partial<Omit<TransformerConfig, RequiredSize>>;

/** How callers name a training mode; `fp32` is no quantiser. */
export type Mode = "fp32" | Exclude<Quantizer, "none">;

/** Every mode, in the order in which the paper's comparison lists them. */
export const MODES: readonly Mode[] = ["fp32", "li_binary", "binary", "li_ternary", "ternary"];

/** The quantiser of a mode. @throws E_MODE for an unknown mode, with the nearest ones. */
export function quantizerOf(mode: string): Quantizer {
  if (mode === "fp32") return "none";
  if ((MODES as readonly string[]).includes(mode)) return mode as Quantizer;
  const nearest = unknownName("mode", mode, MODES).nearest;
  throw new TritlensError("E_MODE", `unknown mode "${mode}"`, {
    expected: `one of ${MODES.join(", ")}`,
    found: mode,
    ...(nearest ? { nearest } : {}),
  });
}

/** The mode behind a quantiser; the inverse of {@link quantizerOf}. */
export function modeOf(quantizer: Quantizer): Mode {
  return quantizer === "none" ? "fp32" : quantizer;
}

/**
 * Fills in defaults (TransformerLens's: sqrt(dHead) scale, dMlp = 4 dModel, rotaryDim = dHead, biases everywhere) and checks everything.
 *
 * @throws E_SPEC naming the field, what was expected and what was found.
 */
export function transformerConfig(options: TransformerOptions): TransformerConfig {
  const nHeads = options.nHeads ?? Math.floor(options.dModel / options.dHead);
  const normalization = options.normalization ?? "LN";
  const normEps = options.normEps ?? 1e-5;
  const config: TransformerConfig = {
    dVocabOut: options.dVocab,
    actFn: "relu",
    gatedMlp: false,
    attnOnly: false,
    parallelAttnMlp: false,
    finalNorm: normalization,
    splitNorm: false,
    finalNormEps: normEps,
    finalNormFloor: 0,
    positions: "standard",
    rotaryDim: options.dHead,
    rotaryBase: 10000,
    rotaryAdjacentPairs: false,
    rotaryFreqs: null,
    rotaryScale: 1,
    attentionDir: "causal",
    nKeyValueHeads: nHeads,
    attnScale: Math.sqrt(options.dHead),
    qkNorm: false,
    subNorm: false,
    linearNorm: false,
    linearNormEps: 1e-6,
    attnBias: true,
    attnOutBias: options.attnBias ?? true,
    mlpBias: true,
    gateBias: false,
    unembedBias: true,
    quantizer: "none",
    actQuant: "none",
    plainMatrices: [],
    quantSites: options.actQuant === "int8",
    unembedSites: options.stored ?? false,
    tiedEmbeddings: false,
    stored: false,
    readout: "all",
    init: "transformerlens",
    ...withoutUndefined(options),
    nHeads,
    normalization,
    normEps,
    dMlp: options.attnOnly ? 0 : (options.dMlp ?? 4 * options.dModel),
  };
  checkConfig(config);
  return config;
}

/** `{ x: undefined }` must not overwrite a default. */
function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) as T;
}

function checkConfig(c: TransformerConfig): void {
  for (const key of ["nLayers", "dModel", "nHeads", "dHead", "nCtx", "dVocab", "dVocabOut", "nKeyValueHeads"] as const) {
    require_(Number.isInteger(c[key]) && c[key] >= 1, key, "an integer of at least 1", c[key]);
  }
  require_(c.attnOnly || (Number.isInteger(c.dMlp) && c.dMlp >= 1), "dMlp", "an integer of at least 1", c.dMlp);
  require_(c.nHeads % c.nKeyValueHeads === 0, "nKeyValueHeads", `a divisor of nHeads ${c.nHeads}`, c.nKeyValueHeads);
  require_((NORMALIZATIONS as string[]).includes(c.normalization), "normalization", NORMALIZATIONS.join(", "), c.normalization);
  require_((NORMALIZATIONS as string[]).includes(c.finalNorm), "finalNorm", NORMALIZATIONS.join(", "), c.finalNorm);
  require_((POSITIONS as string[]).includes(c.positions), "positions", POSITIONS.join(", "), c.positions);
  require_((ACT_FNS as string[]).includes(c.actFn), "actFn", ACT_FNS.join(", "), c.actFn);
  require_(c.attentionDir === "causal" || c.attentionDir === "bidirectional", "attentionDir", "causal or bidirectional", c.attentionDir);
  require_(c.readout === "last" || c.readout === "all", "readout", "last or all", c.readout);
  require_(c.actQuant === "none" || c.actQuant === "int8", "actQuant", "none or int8", c.actQuant);
  const evenRotary = Number.isInteger(c.rotaryDim) && c.rotaryDim % 2 === 0 && c.rotaryDim > 0 && c.rotaryDim <= c.dHead;
  require_(c.positions !== "rotary" || evenRotary, "rotaryDim", `an even number up to dHead ${c.dHead}`, c.rotaryDim);
  const freqs = c.rotaryFreqs;
  const goodFreqs = freqs === null || (freqs.length === c.rotaryDim / 2 && freqs.every((f) => Number.isFinite(f) && f >= 0));
  require_(goodFreqs, "rotaryFreqs", `${c.rotaryDim / 2} numbers of at least 0`, freqs);
  require_(positive(c.rotaryScale), "rotaryScale", "a positive number", c.rotaryScale);
  require_(positive(c.rotaryBase), "rotaryBase", "a positive number", c.rotaryBase);
  require_(!c.tiedEmbeddings || c.dVocabOut === c.dVocab, "dVocabOut", `dVocab ${c.dVocab} with tiedEmbeddings`, c.dVocabOut);
  require_(!c.stored || c.quantizer === "none", "quantizer", "none with stored", c.quantizer);
  require_(c.linearNormEps >= 0, "linearNormEps", "a number of at least 0", c.linearNormEps);
  require_(positive(c.attnScale), "attnScale", "a positive number", c.attnScale);
  require_(c.normEps >= 0 && c.finalNormEps >= 0 && c.finalNormFloor >= 0, "normEps", "numbers of at least 0", c.normEps);
  quantizerOf(modeOf(c.quantizer));
}

function positive(x: number): boolean {
  return Number.isFinite(x) && x > 0;
}

function require_(ok: boolean, field: string, expected: string, found: unknown): void {
  if (!ok) throw new TritlensError("E_SPEC", `wrong value of config.${field}`, { expected, found: String(found) });
}
