/** GPT-2 from config.json. Its matrices are Conv1D, [in, out], and queries, keys and values are one tensor. */
import { transformerConfig } from "../../models/index.ts";
import type { Fields } from "../fields.ts";
import { blockCount, type Recipe, slice, type TensorNames, type WeightSource } from "../recipe.ts";
import { activation } from "./activation.ts";
import type { RecipeOptions } from "./index.ts";
import { contextOf } from "./llama.ts";

/** Reads config.json. @throws E_SPEC. */
export function gpt2Recipe(f: Fields, tensors: TensorNames, { nCtx, trainable }: RecipeOptions): Recipe {
  const [dModel, nHeads] = [f.integer("n_embd", 768), f.integer("n_head", 12)];
  if (dModel % nHeads !== 0) throw f.wrong("n_head", `a divisor of n_embd ${dModel}`, nHeads);
  f.neutral("quantization_config");
  const positions = f.integer("n_positions", 1024);
  const dHead = dModel / nHeads;
  const eps = f.positive("layer_norm_epsilon", 1e-5, true);
  const tied = f.flag("tie_word_embeddings", true);
  // The published files lack the prefix that transformers writes today.
  const at = tensors.has("transformer.wte.weight") || !tensors.has("wte.weight") ? "transformer." : "";
  const config = transformerConfig({
    nLayers: blockCount(f, "n_layer", tensors, (i) => `${at}h.${i}.attn.c_proj.weight`, 12),
    dModel,
    nHeads,
    dHead,
    dMlp: f.integer("n_inner", 4 * dModel),
    dVocab: f.integer("vocab_size", 50257),
    nCtx: contextOf(f, "n_positions", nCtx, positions),
    actFn: activation(f, "activation_function", "gelu_new"),
    normalization: "LN",
    normEps: eps,
    attnScale: f.flag("scale_attn_weights", true) ? Math.sqrt(dHead) : 1,
    unembedBias: false,
    tiedEmbeddings: tied,
    stored: !trainable,
  });
  const weights: WeightSource[] = [
    { param: "embed.W_E", tensor: `${at}wte.weight` },
    { param: "pos_embed.W_pos", tensor: `${at}wpe.weight`, rows: slice(0, config.nCtx, positions) },
    { param: "ln_final.w", tensor: `${at}ln_f.weight` },
    { param: "ln_final.b", tensor: `${at}ln_f.bias` },
    ...(tied ? [] : [{ param: "unembed.W_U", tensor: "lm_head.weight" }]),
  ];
  for (let i = 0; i < config.nLayers; i++) weights.push(...block(`blocks.${i}.`, `${at}h.${i}.`, dModel));
  return { architecture: "gpt2", config, weights, ignored: tied ? /\.attn\.(masked_)?bias$|^lm_head\.weight$/ : /\.attn\.(masked_)?bias$/ };
}

function block(ours: string, theirs: string, dModel: number): WeightSource[] {
  const out: WeightSource[] = [];
  const both = (name: string, tensor: string, rows?: WeightSource["rows"]): void => {
    const part = rows ? { rows } : {};
    out.push({ param: `${ours}${name.replace("?", "W")}`, tensor: `${theirs}${tensor}.weight`, transposed: true, ...part });
    out.push({ param: `${ours}${name.replace("?", "b")}`, tensor: `${theirs}${tensor}.bias`, ...part });
  };
  for (const [i, letter] of ["Q", "K", "V"].entries()) both(`attn.?_${letter}`, "attn.c_attn", slice(i * dModel, dModel, 3 * dModel));
  both("attn.?_O", "attn.c_proj");
  both("mlp.?_in", "mlp.c_fc");
  both("mlp.?_out", "mlp.c_proj");
  for (const n of [1, 2]) {
    out.push({ param: `${ours}ln${n}.w`, tensor: `${theirs}ln_${n}.weight` }, { param: `${ours}ln${n}.b`, tensor: `${theirs}ln_${n}.bias` });
  }
  return out;
}
