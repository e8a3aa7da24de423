/** Metadata of GGUF files that changes the computed function in some model and that no supported architecture handles. */
import type { Fields } from "../fields.ts";

/** Keys behind the architecture's name, with values that change nothing. */
const NEUTRAL: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["expert_count", 0],
  ["expert_used_count", 0],
  ["attention.sliding_window", 0],
  ["attention.causal", true],
  ["attention.clamp_kqv", 0],
  ["attention.max_alibi_bias", 0],
  ["attention.scale", 0],
  ["attention.output_scale", 1],
  ["attention.temperature_length", 0],
  ["attn_logit_softcapping", 0],
  ["final_logit_softcapping", 0],
  ["logit_scale", 0, 1],
  ["residual_scale", 0, 1],
  ["embedding_scale", 0, 1],
  ["swin_norm", false],
  ["nextn_predict_layers", 0],
  ["leading_dense_block_count", 0],
  ["attention.q_lora_rank", 0],
  ["attention.kv_lora_rank", 0],
  ["ssm.conv_kernel", 0],
];

/** @throws E_SPEC for the first key that would be computed wrongly. */
export function refuseUnhandledGguf(f: Fields, architecture: string): void {
  for (const [key, ...neutral] of NEUTRAL) f.neutral(`${architecture}.${key}`, ...neutral);
  f.neutral("general.type", "model");
}
