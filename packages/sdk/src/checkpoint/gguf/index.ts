/** Metadata of a GGUF file: which architecture it names (llama.cpp's names and those of Microsoft's BitNet fork), and its recipe. */
import { type TransformerConfig, type TransformerOptions, transformerConfig } from "../../models/index.ts";
import type { ActFn } from "../../spec/index.ts";
import type { Fields } from "../fields.ts";
import { activation } from "../hf/activation.ts";
import type { RecipeOptions } from "../hf/index.ts";
import { contextOf } from "../hf/llama.ts";
import { type Architecture, blockCount, headWidth, type Recipe, type TensorNames, unsupported } from "../recipe.ts";
import { refuseUnhandledGguf } from "./refuse.ts";
import { ggufRope } from "./rope.ts";
import { ggufWeights, matricesOf, mayBeTernary } from "./weights.ts";

/** What tells GGUF architectures apart. */
export interface GgufFamily {
  readonly architecture: Architecture;
  readonly act: ActFn;
  /** LayerNorm with biases everywhere, one tensor for queries, keys and values. */
  readonly fused?: true;
  readonly positions: "standard" | "rotary";
  /** Rows of W_Q and W_K stand in the order of adjacent pairs. */
  readonly permuted?: true;
  readonly qkNorm?: true;
  readonly bitnet?: true;
}

const FAMILIES: ReadonlyMap<string, GgufFamily> = new Map<string, GgufFamily>([
  ["gpt2", { architecture: "gpt2", act: "gelu_new", fused: true, positions: "standard" }],
  // llama.cpp computes the tanh form here; the models were trained with the exact one.
  ["gptneox", { architecture: "gpt_neox", act: "gelu", fused: true, positions: "rotary" }],
  ["llama", { architecture: "llama", act: "silu", positions: "rotary", permuted: true }],
  ["qwen2", { architecture: "qwen2", act: "silu", positions: "rotary" }],
  ["qwen3", { architecture: "qwen3", act: "silu", positions: "rotary", qkNorm: true }],
  // llama.cpp's default for the first BitNet models; files of the 2B model name relu2 in their metadata.
  ["bitnet", { architecture: "bitnet", act: "silu", positions: "rotary", bitnet: true }],
  ["bitnet-b1.58", { architecture: "bitnet", act: "relu2", positions: "rotary", bitnet: true }],
  ["bitnet-25", { architecture: "bitnet", act: "relu2", positions: "rotary", bitnet: true }],
]);

/** Key with which this project marks files whose ternary matrices want int8 activations although their architecture does not say so. */
export const ACTIVATION_KEY = "tritlens.activation_quantization";

/** What the header of the file says of a tensor. */
export interface GgufTensor {
  readonly type: string;
  readonly shape: readonly number[];
}

/**
 * The recipe of a GGUF file.
 *
 * @param readVector - Reads a small tensor as f32 (`rope_freqs.weight`).
 * @throws E_SPEC naming the key that decided.
 */
export async function ggufRecipe(
  f: Fields,
  tensors: ReadonlyMap<string, GgufTensor>,
  readVector: (name: string) => Promise<Float32Array>,
  options: RecipeOptions,
): Promise<Recipe> {
  const name = f.text("general.architecture", "");
  const family = FAMILIES.get(name);
  if (!family) throw unsupported(f.where, "general.architecture", JSON.stringify(name));
  refuseUnhandledGguf(f, name);
  const size = sizes(f, name, tensors, options.nCtx);
  const rope = family.positions === "rotary" ? await ggufRope(f, name, family, size.dHead, tensors, readVector) : {};
  const config = transformerConfig({
    ...size,
    ...rope,
    ...shapeOf(f, name, family, tensors),
    stored: !options.trainable,
    ...quantised(f, family, tensors, options),
  });
  const positions = f.integer(`${name}.context_length`);
  return {
    architecture: family.architecture,
    config,
    weights: ggufWeights(config, family, positions, tensors),
    ignored: /^rope_freqs\.weight$|\.attn_rot_embd\.weight$/,
  };
}

function sizes(f: Fields, at: string, tensors: TensorNames, nCtx: number | undefined) {
  const [dModel, nHeads] = [f.integer(`${at}.embedding_length`), f.integer(`${at}.attention.head_count`)];
  const lengthKey = `${at}.attention.key_length`;
  if (!f.has(lengthKey) && dModel % nHeads !== 0) throw f.wrong(`${at}.attention.head_count`, `a divisor of embedding_length ${dModel}`, nHeads);
  const dHead = headWidth(f, lengthKey, dModel / nHeads);
  f.neutral(`${at}.attention.value_length`, dHead);
  const nKeyValueHeads = f.integer(`${at}.attention.head_count_kv`, nHeads);
  if (nHeads % nKeyValueHeads !== 0) throw f.wrong(`${at}.attention.head_count_kv`, `a divisor of head_count ${nHeads}`, nKeyValueHeads);
  return {
    nLayers: blockCount(f, `${at}.block_count`, tensors, (i) => `blk.${i}.attn_norm.weight`),
    dModel,
    nHeads,
    dHead,
    nKeyValueHeads,
    dMlp: f.integer(`${at}.feed_forward_length`),
    nCtx: contextOf(f, `${at}.context_length`, nCtx),
  };
}

/** Norms, biases, activation, vocabulary: what the architecture says and which tensors there are. */
function shapeOf(f: Fields, at: string, family: GgufFamily, tensors: ReadonlyMap<string, GgufTensor>) {
  const bias = (tensor: string): boolean => tensors.has(`blk.0.${tensor}.bias`);
  const key = f.has(`${at}.hidden_activation`) ? "hidden_activation" : "hidden_act";
  const epsKey = `${at}.attention.layer_norm_${family.fused ? "" : "rms_"}epsilon`;
  return {
    dVocab: vocabulary(f, at, tensors),
    actFn: f.has(`${at}.${key}`) ? activation(f, `${at}.${key}`, "") : family.act,
    normalization: family.fused ? ("LN" as const) : ("RMS" as const),
    normEps: f.positive(epsKey, undefined, true),
    gatedMlp: !family.fused,
    parallelAttnMlp: family.architecture === "gpt_neox" && f.flag(`${at}.use_parallel_residual`, true),
    attnBias: bias(family.fused ? "attn_qkv" : "attn_q"),
    attnOutBias: bias("attn_output"),
    mlpBias: bias("ffn_down"),
    gateBias: !family.fused && bias("ffn_gate"),
    qkNorm: family.qkNorm ?? false,
    subNorm: family.bitnet ?? false,
    unembedBias: false,
    tiedEmbeddings: !tensors.has("output.weight"),
  };
}

function vocabulary(f: Fields, at: string, tensors: ReadonlyMap<string, GgufTensor>): number {
  const rows = tensors.get("token_embd.weight")?.shape[0];
  const said = f.integer(`${at}.vocab_size`, rows);
  if (rows !== undefined && rows !== said) throw f.wrong(`${at}.vocab_size`, `${rows}, the rows of token_embd.weight`, said);
  return said;
}

/** BitNet's matrices want int8 activations; so do I2_S ones, whose only kernels quantise them, and files that say so. */
function quantised(
  f: Fields,
  family: GgufFamily,
  tensors: ReadonlyMap<string, GgufTensor>,
  { trainable }: RecipeOptions,
): Partial<TransformerConfig> {
  const said = f.get(ACTIVATION_KEY);
  if (said !== undefined && said !== "int8") throw f.wrong(ACTIVATION_KEY, "int8", said);
  const int8 = family.bitnet || said === "int8" || tensors.get("blk.0.attn_q.weight")?.type === "I2_S";
  if (!int8) return {};
  if (trainable) throw f.wrong("general.architecture", "latent weights with the option trainable (packed weights have none)", family.architecture);
  // Matrices in types of more bits (Q8_0, Q4_0, ...) have no codes that integer products could work with.
  const matrices = matricesOf(family, tensors);
  const plainMatrices = matrices.filter(({ type }) => !mayBeTernary(type));
  if (matrices.length > 0 && plainMatrices.length === matrices.length) return {};
  return { actQuant: "int8", plainMatrices: plainMatrices.map(({ param }) => param) } satisfies Partial<TransformerOptions>;
}
