/** Where the weights of each architecture stand in a GGUF file. */
import type { TransformerConfig } from "../../models/index.ts";
import { type RowMap, slice, type WeightSource } from "../recipe.ts";
import type { GgufFamily, GgufTensor } from "./index.ts";

/** Weight sources of a model. */
export function ggufWeights(c: TransformerConfig, family: GgufFamily, positions: number, tensors: ReadonlyMap<string, GgufTensor>): WeightSource[] {
  const out: WeightSource[] = [
    { param: "embed.W_E", tensor: "token_embd.weight" },
    { param: "pos_embed.W_pos", tensor: "position_embd.weight", rows: slice(0, c.nCtx, positions) },
    { param: "ln_final.w", tensor: "output_norm.weight" },
    { param: "ln_final.b", tensor: "output_norm.bias" },
    ...(tensors.has("output.weight") ? [{ param: "unembed.W_U", tensor: "output.weight" }] : []),
  ];
  for (let i = 0; i < c.nLayers; i++) out.push(...block(c, family, `blocks.${i}.`, `blk.${i}.`));
  return out;
}

function block(c: TransformerConfig, family: GgufFamily, ours: string, theirs: string): WeightSource[] {
  const out: WeightSource[] = [];
  const packing = c.actQuant === "int8" ? ({ packing: "ternary" } as const) : {};
  const matrix = (name: string, tensor: string, rows?: RowMap): void => {
    const part = rows ? { rows } : {};
    out.push({ param: `${ours}${name.replace("?", "W")}`, tensor: `${theirs}${tensor}.weight`, ...packing, ...part });
    out.push({ param: `${ours}${name.replace("?", "b")}`, tensor: `${theirs}${tensor}.bias`, ...part });
  };
  const [q, kv] = [c.nHeads * c.dHead, c.nKeyValueHeads * c.dHead];
  if (family.fused) {
    for (const [k, letter] of ["Q", "K", "V"].entries()) matrix(`attn.?_${letter}`, "attn_qkv", slice(k * q, q, 3 * q));
  } else {
    matrix("attn.?_Q", "attn_q", family.permuted && adjacentPairs(q, c.dHead));
    matrix("attn.?_K", "attn_k", family.permuted && adjacentPairs(kv, c.dHead));
    matrix("attn.?_V", "attn_v");
    matrix("mlp.?_gate", "ffn_gate");
  }
  matrix("attn.?_O", "attn_output");
  matrix("mlp.?_in", "ffn_up");
  matrix("mlp.?_out", "ffn_down");
  for (const [name, norm] of NORMS) {
    out.push({ param: `${ours}${name}.w`, tensor: `${theirs}${norm}.weight` }, { param: `${ours}${name}.b`, tensor: `${theirs}${norm}.bias` });
  }
  return out;
}

const NORMS: readonly (readonly [ours: string, theirs: string])[] = [
  ["ln1", "attn_norm"],
  ["ln2", "ffn_norm"],
  ["attn.q_norm", "attn_q_norm"],
  ["attn.k_norm", "attn_k_norm"],
  ["attn.sub_norm", "attn_sub_norm"],
  ["mlp.sub_norm", "ffn_sub_norm"],
];

/** llama.cpp rotates adjacent rows of a head, so its converter moves row j + t dHead/2 of a head to 2j + t; this moves it back. */
function adjacentPairs(rows: number, dHead: number): RowMap {
  const half = dHead / 2;
  return {
    of: rows,
    block: dHead,
    at: (head) => head * dHead,
    order: Array.from({ length: dHead }, (_, r) => 2 * (r % half) + Math.floor(r / half)),
  };
}
