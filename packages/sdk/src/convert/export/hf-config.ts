/** config.json of transformers for a configuration. */
import type { Architecture } from "../../checkpoint/recipe.ts";
import type { TransformerConfig } from "../../models/index.ts";
import { shortest } from "./config-match.ts";
import { ropeScaling } from "./rope-scaling.ts";

/** A JSON object. */
export type Json = Record<string, unknown>;

/** transformers's class of an architecture. */
const CLASS: Readonly<Record<Architecture, string>> = {
  gpt2: "GPT2LMHeadModel",
  gpt_neox: "GPTNeoXForCausalLM",
  llama: "LlamaForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
  bitnet: "BitNetForCausalLM",
};

/** The fields that the architecture's loaders read. Whether they say everything is found by reading them back. */
export function hfConfig(c: TransformerConfig, architecture: Architecture): Json {
  const common = { architectures: [CLASS[architecture]], model_type: architecture, vocab_size: c.dVocab, tie_word_embeddings: c.tiedEmbeddings };
  switch (architecture) {
    case "gpt2":
      return { ...common, ...gpt2(c) };
    case "gpt_neox":
      return { ...common, ...neox(c) };
    default:
      return { ...common, ...llama(c) };
  }
}

function gpt2(c: TransformerConfig): Json {
  return {
    n_embd: c.dModel,
    n_head: c.nHeads,
    n_inner: c.dMlp === 4 * c.dModel ? null : c.dMlp,
    n_layer: c.nLayers,
    n_positions: c.nCtx,
    layer_norm_epsilon: shortest(c.normEps),
    activation_function: c.actFn,
    scale_attn_weights: c.attnScale !== 1,
  };
}

function neox(c: TransformerConfig): Json {
  return {
    ...sizes(c),
    hidden_act: c.actFn,
    layer_norm_eps: shortest(c.normEps),
    use_parallel_residual: c.parallelAttnMlp,
    attention_bias: c.attnBias,
    // As transformers 4 reads them, beside rope_parameters for 5.
    rotary_pct: c.rotaryDim / c.dHead,
    rotary_emb_base: c.rotaryBase,
    ...rope(c, { partial_rotary_factor: c.rotaryDim / c.dHead }),
  };
}

function llama(c: TransformerConfig): Json {
  return {
    ...sizes(c),
    num_key_value_heads: c.nKeyValueHeads,
    head_dim: c.dHead,
    hidden_act: c.actFn,
    rms_norm_eps: shortest(c.normEps),
    attention_bias: c.attnOutBias,
    mlp_bias: c.mlpBias,
    rope_theta: c.rotaryBase,
    ...rope(c, {}),
  };
}

function sizes(c: TransformerConfig): Json {
  return {
    hidden_size: c.dModel,
    intermediate_size: c.dMlp,
    num_hidden_layers: c.nLayers,
    num_attention_heads: c.nHeads,
    max_position_embeddings: c.nCtx,
  };
}

function rope(c: TransformerConfig, more: Json): Json {
  return { rope_parameters: { rope_theta: c.rotaryBase, ...scaling(c), ...more } };
}

function scaling(c: TransformerConfig): Json {
  const s = ropeScaling(c);
  switch (s?.kind) {
    case "linear":
      return { rope_type: "linear", factor: s.factor };
    case "llama3":
      return { rope_type: "llama3", factor: s.factor, low_freq_factor: s.low, high_freq_factor: s.high, original_max_position_embeddings: s.context };
    case "yarn":
      return { rope_type: "yarn", factor: s.factor, original_max_position_embeddings: s.context, attention_factor: s.attention };
    default:
      return { rope_type: "default" };
  }
}
