/** Llama, Qwen2, Qwen3 and BitNet b1.58 from config.json: one block with optional biases, QK norms, sub-norms and BitNet's matrices. */
import { type TransformerConfig, transformerConfig } from "../../models/index.ts";
import type { Fields } from "../fields.ts";
import { type Architecture, blockCount, headWidth, type Recipe, type TensorNames, type WeightSource } from "../recipe.ts";
import { activation } from "./activation.ts";
import type { RecipeOptions } from "./index.ts";
import { type BitNetQuantization, bitNetQuantization } from "./quantization.ts";
import { hfRope } from "./rope.ts";

/** What tells the four apart. */
interface Family {
  readonly act: string;
  readonly eps: number;
  readonly rope: number;
  /** Width of a head where the file does not say it; the others divide. */
  readonly dHead?: number;
  readonly biases: "config" | "qkv";
  readonly qkNorm?: true;
  readonly subNorm?: true;
}

const FAMILIES: Readonly<Record<"llama" | "qwen2" | "qwen3" | "bitnet", Family>> = {
  llama: { act: "silu", eps: 1e-6, rope: 10000, biases: "config" },
  qwen2: { act: "silu", eps: 1e-6, rope: 10000, biases: "qkv" },
  qwen3: { act: "silu", eps: 1e-6, rope: 10000, biases: "config", qkNorm: true, dHead: 128 },
  bitnet: { act: "relu2", eps: 1e-5, rope: 500000, biases: "config", subNorm: true },
};

/** An architecture of this family. */
export type LlamaLike = keyof typeof FAMILIES;

/** Our matrices by the module that holds them in a block. */
const MATRICES: readonly (readonly [ours: string, module: string])[] = [
  ["attn.W_Q", "self_attn.q_proj"],
  ["attn.W_K", "self_attn.k_proj"],
  ["attn.W_V", "self_attn.v_proj"],
  ["attn.W_O", "self_attn.o_proj"],
  ["mlp.W_gate", "mlp.gate_proj"],
  ["mlp.W_in", "mlp.up_proj"],
  ["mlp.W_out", "mlp.down_proj"],
];

/** Reads config.json. `trainable` keeps BitNet's master weights as they are and quantises them in every run. @throws E_SPEC. */
export function llamaRecipe(architecture: LlamaLike, f: Fields, tensors: TensorNames, { nCtx, trainable }: RecipeOptions): Recipe {
  const family = FAMILIES[architecture];
  const quantization = bitNetQuantization(f);
  const nLayers = blockCount(f, "num_hidden_layers", tensors, (i) => `model.layers.${i}.self_attn.o_proj.weight`);
  const config = transformerConfig({
    nLayers,
    ...sizes(f, family, nCtx),
    ...biases(f, family),
    actFn: activation(f, "hidden_act", family.act),
    gatedMlp: true,
    normalization: "RMS",
    normEps: f.positive("rms_norm_eps", family.eps, true),
    qkNorm: family.qkNorm ?? false,
    subNorm: family.subNorm ?? false,
    unembedBias: false,
    tiedEmbeddings: f.flag("tie_word_embeddings", false),
    stored: !trainable,
    ...(quantization ? bitNet(f, quantization, nLayers, trainable) : {}),
  });
  return { architecture: architecture as Architecture, config, weights: weights(config, quantization), ignored: ignored(config) };
}

function sizes(f: Fields, family: Family, nCtx: number | undefined) {
  const [dModel, nHeads] = [f.integer("hidden_size"), f.integer("num_attention_heads")];
  if (!f.has("head_dim") && family.dHead === undefined && dModel % nHeads !== 0)
    throw f.wrong("num_attention_heads", `a divisor of hidden_size ${dModel}`, nHeads);
  const dHead = headWidth(f, "head_dim", family.dHead ?? dModel / nHeads);
  if (family.subNorm && dHead * nHeads !== dModel) throw f.wrong("head_dim", `hidden_size ${dModel} / ${nHeads} heads`, dHead);
  if (dHead % 2 !== 0) throw f.wrong("head_dim", "an even number (heads are rotated in pairs)", dHead);
  const nKeyValueHeads = f.integer("num_key_value_heads", nHeads);
  if (nHeads % nKeyValueHeads !== 0) throw f.wrong("num_key_value_heads", `a divisor of num_attention_heads ${nHeads}`, nKeyValueHeads);
  return {
    dModel,
    nHeads,
    dHead,
    nKeyValueHeads,
    dMlp: f.integer("intermediate_size"),
    dVocab: f.integer("vocab_size"),
    nCtx: contextOf(f, "max_position_embeddings", nCtx),
    ...hfRope(f, { dHead, base: family.rope }),
  };
}

/** The model's longest context, or the shorter one asked for. @throws E_SPEC when more is asked for than the model has. */
export function contextOf(f: Fields, key: string, wanted: number | undefined, fallback?: number): number {
  const most = f.integer(key, fallback);
  if (wanted === undefined || (Number.isInteger(wanted) && wanted >= 1 && wanted <= most)) return wanted ?? most;
  throw f.wrong(key, `at least the option nCtx ${wanted}`, most);
}

function biases(f: Fields, family: Family): Pick<TransformerConfig, "attnBias" | "attnOutBias" | "mlpBias" | "gateBias"> {
  const attnBias = family.biases === "qkv" || f.flag("attention_bias", false);
  const mlpBias = family.biases === "config" && f.flag("mlp_bias", false);
  return { attnBias, attnOutBias: attnBias && family.biases === "config", mlpBias, gateBias: mlpBias };
}

function bitNet(f: Fields, q: BitNetQuantization, nLayers: number, trainable: boolean): Partial<TransformerConfig> {
  if (trainable && q.packing !== "absmean") {
    throw f.wrong("quantization_config", "online master weights with the option trainable (packed weights have no latent values)", q.packing);
  }
  const plainMatrices = modules(nLayers)
    .filter(({ module }) => !q.converts(module))
    .map(({ param }) => param);
  return { actQuant: "int8", quantizer: trainable ? "ternary" : "none", linearNorm: q.norm, linearNormEps: q.normEps, plainMatrices };
}

function modules(nLayers: number): { param: string; module: string }[] {
  return Array.from({ length: nLayers }, (_, i) =>
    MATRICES.map(([ours, module]) => ({ param: `blocks.${i}.${ours}`, module: `model.layers.${i}.${module}` })),
  ).flat();
}

function weights(c: TransformerConfig, q: BitNetQuantization | undefined): WeightSource[] {
  const out: WeightSource[] = [
    { param: "embed.W_E", tensor: "model.embed_tokens.weight" },
    { param: "ln_final.w", tensor: "model.norm.weight" },
  ];
  if (!c.tiedEmbeddings) out.push({ param: "unembed.W_U", tensor: "lm_head.weight" });
  for (const { param, module } of modules(c.nLayers)) {
    const packing = q && c.stored && q.converts(module) ? { packing: q.packing } : {};
    out.push({ param, tensor: `${module}.weight`, ...packing });
    out.push({ param: param.replace("W_", "b_"), tensor: `${module}.bias` });
    out.push({ param: `${param.replace(/W_(\w+)$/, (_, l: string) => LAYER[l] ?? l)}.norm.w`, tensor: `${module}.rms_norm.weight` });
  }
  for (let i = 0; i < c.nLayers; i++) {
    const [ours, theirs] = [`blocks.${i}.`, `model.layers.${i}.`];
    out.push({ param: `${ours}ln1.w`, tensor: `${theirs}input_layernorm.weight` });
    out.push({ param: `${ours}ln2.w`, tensor: `${theirs}post_attention_layernorm.weight` });
    out.push({ param: `${ours}attn.q_norm.w`, tensor: `${theirs}self_attn.q_norm.weight` });
    out.push({ param: `${ours}attn.k_norm.w`, tensor: `${theirs}self_attn.k_norm.weight` });
    out.push({ param: `${ours}attn.sub_norm.w`, tensor: `${theirs}self_attn.attn_sub_norm.weight` });
    out.push({ param: `${ours}mlp.sub_norm.w`, tensor: `${theirs}mlp.ffn_sub_norm.weight` });
  }
  return out;
}

/** Names of layers by the ends of their matrices' names. */
const LAYER: Readonly<Record<string, string>> = { Q: "q", K: "k", V: "v", O: "o", gate: "gate", in: "in", out: "out" };

/** Rotary tables of old checkpoints, and the unembedding of tied models, which transformers ties whatever the file holds. */
function ignored(c: TransformerConfig): RegExp {
  return c.tiedEmbeddings ? /rotary_emb\.inv_freq$|^lm_head\.weight$/ : /rotary_emb\.inv_freq$/;
}
