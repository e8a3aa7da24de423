/** Keys of config.json that change the computed function in some model and that no supported architecture handles. */
import type { Fields } from "../fields.ts";

/** Refused unless they are absent, null, false or one of these values. */
const NEUTRAL: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["is_encoder_decoder"],
  ["add_cross_attention"],
  ["cross_attention_hidden_size"],
  ["pruned_heads"],
  ["use_sliding_window"],
  ["attn_logit_softcapping"],
  ["final_logit_softcapping"],
  ["logit_scale", 1],
  ["logits_scaling", 1],
  ["embedding_multiplier", 1],
  ["residual_multiplier", 1],
  ["attention_multiplier"],
  ["query_pre_attn_scalar"],
  ["num_experts", 0],
  ["num_local_experts", 0, 1],
  ["num_experts_per_tok", 0],
  ["n_routed_experts", 0],
  ["no_rope_layers"],
  ["no_rope_layer_interval", 0],
  ["use_qk_norm"],
  ["clip_qkv"],
  ["alibi"],
  ["window_size"],
  ["attention_sink"],
  ["scale_attn_by_inverse_layer_idx"],
  ["kv_lora_rank"],
  // The first BitNet reproductions (1bitLLM) call themselves llama and normalise elsewhere.
  ["weight_bits"],
  ["input_bits"],
  ["hadamard"],
  ["rotation"],
];

/** @throws E_SPEC for the first key that would be computed wrongly. */
export function refuseUnhandled(f: Fields): void {
  for (const [key, ...neutral] of NEUTRAL) {
    const value = f.get(key);
    if (value === false || (typeof value === "object" && value !== null && Object.keys(value).length === 0)) continue;
    f.neutral(key, ...neutral);
  }
  for (const kind of f.texts("layer_types")) {
    if (kind !== "full_attention") throw f.wrong("layer_types", "full_attention only", kind);
  }
}
