/** GPT-NeoX (Pythia) from config.json. Queries, keys and values are one tensor, interleaved head by head. */
import { transformerConfig } from "../../models/index.ts";
import type { Fields } from "../fields.ts";
import { blockCount, headWidth, type Recipe, type RowMap, type TensorNames, type WeightSource } from "../recipe.ts";
import { activation } from "./activation.ts";
import type { RecipeOptions } from "./index.ts";
import { contextOf } from "./llama.ts";
import { hfRope } from "./rope.ts";

/** Reads config.json. @throws E_SPEC. */
export function neoxRecipe(f: Fields, tensors: TensorNames, { nCtx, trainable }: RecipeOptions): Recipe {
  const [dModel, nHeads] = [f.integer("hidden_size", 6144), f.integer("num_attention_heads", 64)];
  if (dModel % nHeads !== 0) throw f.wrong("num_attention_heads", `a divisor of hidden_size ${dModel}`, nHeads);
  f.neutral("quantization_config");
  const dHead = headWidth(f, "head_dim", dModel / nHeads);
  if (dHead * nHeads !== dModel) throw f.wrong("head_dim", `hidden_size ${dModel} / ${nHeads} heads`, dHead);
  const tied = f.flag("tie_word_embeddings", false);
  const config = transformerConfig({
    nLayers: blockCount(f, "num_hidden_layers", tensors, (i) => `gpt_neox.layers.${i}.attention.dense.weight`, 44),
    dModel,
    nHeads,
    dHead,
    dMlp: f.integer("intermediate_size", 24576),
    dVocab: f.integer("vocab_size", 50432),
    nCtx: contextOf(f, "max_position_embeddings", nCtx, 2048),
    actFn: activation(f, "hidden_act", "gelu"),
    normalization: "LN",
    normEps: f.positive("layer_norm_eps", 1e-5, true),
    parallelAttnMlp: f.flag("use_parallel_residual", true),
    attnBias: f.flag("attention_bias", true),
    unembedBias: false,
    tiedEmbeddings: tied,
    stored: !trainable,
    ...hfRope(f, { dHead, base: 10000, share: { key: "rotary_pct", fallback: 0.25 }, baseKey: "rotary_emb_base" }),
  });
  const weights: WeightSource[] = [
    { param: "embed.W_E", tensor: "gpt_neox.embed_in.weight" },
    { param: "ln_final.w", tensor: "gpt_neox.final_layer_norm.weight" },
    { param: "ln_final.b", tensor: "gpt_neox.final_layer_norm.bias" },
    ...(tied ? [] : [{ param: "unembed.W_U", tensor: "embed_out.weight" }]),
  ];
  for (let i = 0; i < config.nLayers; i++) weights.push(...block(`blocks.${i}.`, `gpt_neox.layers.${i}.`, nHeads, dHead));
  const buffers = /attention\.(masked_)?bias$|rotary_emb\.inv_freq$/;
  return { architecture: "gpt_neox", config, weights, ignored: tied ? new RegExp(`${buffers.source}|^embed_out\\.weight$`) : buffers };
}

function block(ours: string, theirs: string, nHeads: number, dHead: number): WeightSource[] {
  const out: WeightSource[] = [];
  const both = (name: string, tensor: string, rows?: RowMap): void => {
    const part = rows ? { rows } : {};
    out.push({ param: `${ours}${name.replace("?", "W")}`, tensor: `${theirs}${tensor}.weight`, ...part });
    out.push({ param: `${ours}${name.replace("?", "b")}`, tensor: `${theirs}${tensor}.bias`, ...part });
  };
  for (const [k, letter] of ["Q", "K", "V"].entries()) {
    both(`attn.?_${letter}`, "attention.query_key_value", { of: 3 * nHeads * dHead, block: dHead, at: (head) => (3 * head + k) * dHead });
  }
  both("attn.?_O", "attention.dense");
  both("mlp.?_in", "mlp.dense_h_to_4h");
  both("mlp.?_out", "mlp.dense_4h_to_h");
  for (const [name, norm] of [
    ["ln1", "input_layernorm"],
    ["ln2", "post_attention_layernorm"],
  ]) {
    out.push({ param: `${ours}${name}.w`, tensor: `${theirs}${norm}.weight` }, { param: `${ours}${name}.b`, tensor: `${theirs}${norm}.bias` });
  }
  return out;
}
