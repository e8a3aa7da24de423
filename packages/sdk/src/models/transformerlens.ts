/** Reads TransformerLens's own configuration (snake_case JSON of HookedTransformerConfig) and refuses what would compute something else. */
import { TritlensError, unknownName } from "../core/errors.ts";
import { type Normalization, type TransformerConfig, type TransformerOptions, transformerConfig } from "./config.ts";

/** HookedTransformerConfig as JSON. */
export type TransformerLensJson = Readonly<Record<string, unknown>>;

/** Fields that change nothing about the computed function. */
const IGNORED = new Set([
  "model_name",
  "original_architecture",
  "from_checkpoint",
  "checkpoint_index",
  "checkpoint_label_type",
  "checkpoint_value",
  "tokenizer_name",
  "tokenizer_prepends_bos",
  "default_prepend_bos",
  "init_mode",
  "init_weights",
  "initializer_range",
  "seed",
  "device",
  "n_devices",
  "dtype",
  "trust_remote_code",
  "n_params",
  "ungroup_grouped_query_attention",
  "use_attn_result",
  "use_split_qkv_input",
  "use_hook_mlp_in",
  "use_attn_in",
  "weight_init_mode",
  "rotary_scaling_factor",
  "d_vocab_out_given",
  "load_in_4bit",
  "use_hook_tokens",
]); // prettier-ignore

/** Fields that would change the function, with the only value that is supported. */
const FIXED: TransformerLensJson = {
  use_local_attn: false,
  window_size: null,
  attn_types: null,
  scale_attn_by_inverse_layer_idx: false,
  num_experts: null,
  experts_per_token: null,
  relative_attention_max_distance: null,
  relative_attention_num_buckets: null,
  decoder_start_token_id: null,
  tie_word_embeddings: false,
  use_normalization_before_and_after: false,
  attn_scores_soft_cap: -1.0,
  output_logits_soft_cap: -1.0,
  use_NTK_by_parts_rope: false,
  post_embedding_ln: false,
  use_qk_norm: false,
  norm_topk_prob: false,
}; // prettier-ignore

/** Fields that are copied under their camelCase name. */
const COPIED: Readonly<Record<string, keyof TransformerOptions>> = {
  n_layers: "nLayers",
  d_model: "dModel",
  n_heads: "nHeads",
  d_head: "dHead",
  d_mlp: "dMlp",
  n_ctx: "nCtx",
  d_vocab: "dVocab",
  d_vocab_out: "dVocabOut",
  act_fn: "actFn",
  gated_mlp: "gatedMlp",
  attn_only: "attnOnly",
  parallel_attn_mlp: "parallelAttnMlp",
  eps: "normEps",
  rotary_dim: "rotaryDim",
  rotary_base: "rotaryBase",
  rotary_adjacent_pairs: "rotaryAdjacentPairs",
  attention_dir: "attentionDir",
  n_key_value_heads: "nKeyValueHeads",
};

/** Fields read by code below. */
const COMPUTED = new Set(["normalization_type", "final_rms", "positional_embedding_type", "use_attn_scale", "attn_scale"]);

/**
 * A configuration from TransformerLens's. Unset fields get TransformerLens's defaults.
 *
 * @throws E_SPEC for a feature that is not supported (naming it), E_NAME for a field TransformerLens does not have.
 */
export function configFromTransformerLens(json: TransformerLensJson): TransformerConfig {
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    const field = COPIED[key];
    if (field === undefined) checkOther(key, value);
    // -1 and null both say "default" there.
    else if (value !== null && value !== -1) options[field] = value;
  }
  const normalization = normalizationOf(json.normalization_type);
  return transformerConfig({
    ...(options as unknown as TransformerOptions),
    normalization,
    finalNorm: json.final_rms === true && normalization !== "none" ? (normalization.replace("LN", "RMS") as Normalization) : normalization,
    positions: (json.positional_embedding_type ?? "standard") as TransformerConfig["positions"],
    attnScale: attnScaleOf(json),
  });
}

function checkOther(key: string, value: unknown): void {
  if (IGNORED.has(key) || COMPUTED.has(key)) return;
  if (!(key in FIXED)) throw unknownName("TransformerLens config field", key, [...Object.keys(COPIED), ...Object.keys(FIXED), ...COMPUTED]);
  if (value === FIXED[key] || value === null || value === undefined) return;
  throw new TritlensError("E_SPEC", `TransformerLens config field "${key}" is not supported`, { expected: String(FIXED[key]), found: String(value) });
}

function normalizationOf(value: unknown): Normalization {
  if (value === undefined) return "LN";
  return value === null ? "none" : (value as Normalization);
}

function attnScaleOf(json: TransformerLensJson): number {
  if (json.use_attn_scale === false) return 1;
  const scale = json.attn_scale;
  return typeof scale === "number" && scale !== -1 ? scale : Math.sqrt(json.d_head as number);
}
