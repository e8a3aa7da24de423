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
  for (let i = 0; i < c.nLayers; i++) out.push(...block(c, family, `blocks.${i}.`, `blk.${i}.`, tensors));
  return out;
}

/** Types that hold codes, and floats that may. */
const TERNARY: ReadonlySet<string> = new Set(["TQ1_0", "TQ2_0", "I2_S", "F32", "F16", "BF16"]);

/** Whether a matrix of this type can be -s, 0 and s. */
export function mayBeTernary(type: string): boolean {
  return TERNARY.has(type);
}

/** Our names of the matrices of blocks that are in a file, with their types. */
export function matricesOf(family: GgufFamily, tensors: ReadonlyMap<string, GgufTensor>): { param: string; type: string }[] {
  const found: { param: string; type: string }[] = [];
  for (const [name, { type }] of tensors) {
    const [, layer, theirs] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name) ?? [];
    const ours = family.fused ? undefined : MATRICES.get(theirs as string);
    if (ours !== undefined) found.push({ param: `blocks.${layer}.${ours.replace("?", "W")}`, type });
  }
  return found;
}

/** Matrices that are one tensor each; `?` stands for W and b. */
const MATRICES: ReadonlyMap<string, string> = new Map([
  ["attn_q", "attn.?_Q"],
  ["attn_k", "attn.?_K"],
  ["attn_v", "attn.?_V"],
  ["attn_output", "attn.?_O"],
  ["ffn_gate", "mlp.?_gate"],
  ["ffn_up", "mlp.?_in"],
  ["ffn_down", "mlp.?_out"],
]);

function block(c: TransformerConfig, family: GgufFamily, ours: string, theirs: string, tensors: ReadonlyMap<string, GgufTensor>): WeightSource[] {
  const out: WeightSource[] = [];
  const matrix = (name: string, tensor: string, rows?: RowMap): void => {
    const part = rows ? { rows } : {};
    const weight = `${theirs}${tensor}.weight`;
    const packing = c.actQuant === "int8" && mayBeTernary(tensors.get(weight)?.type ?? "F32") ? ({ packing: "ternary" } as const) : {};
    out.push({ param: `${ours}${name.replace("?", "W")}`, tensor: weight, ...packing, ...part });
    out.push({ param: `${ours}${name.replace("?", "b")}`, tensor: `${theirs}${tensor}.bias`, ...part });
  };
  const [q, kv] = [c.nHeads * c.dHead, c.nKeyValueHeads * c.dHead];
  if (family.fused) for (const [k, letter] of ["Q", "K", "V"].entries()) matrix(`attn.?_${letter}`, "attn_qkv", slice(k * q, q, 3 * q));
  const turned = new Map<string, RowMap>(
    family.permuted
      ? [
          ["attn_q", adjacentPairs(q, c.dHead)],
          ["attn_k", adjacentPairs(kv, c.dHead)],
        ]
      : [],
  );
  // A fused model has no tensors of the first three names, nor a gate.
  for (const [tensor, name] of MATRICES) if (!family.fused || !/attn_[qkv]$|ffn_gate/.test(tensor)) matrix(name, tensor, turned.get(tensor));
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
