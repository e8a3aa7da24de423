/**
 * Names of activations: TransformerLens's classic ones are canonical, the names of its version 4 are accepted as aliases, and {@link getActName}
 * gives the shorthand (`getActName("k", 6)`).
 */

/** Version 4 names within a block; each is tried in turn and the first that the model has wins. */
const BLOCK_ALIASES: Readonly<Record<string, readonly string[]>> = {
  hook_in: ["hook_resid_pre"],
  hook_out: ["hook_resid_post"],
  "ln1.hook_in": ["hook_resid_pre"],
  "ln1.hook_out": ["ln1.hook_normalized"],
  "ln2.hook_in": ["hook_resid_mid"],
  "ln2.hook_out": ["ln2.hook_normalized"],
  "attn.hook_out": ["hook_attn_out"],
  "attn.hook_attn_in": ["hook_attn_in"],
  "attn.hook_q_input": ["hook_q_input"],
  "attn.hook_k_input": ["hook_k_input"],
  "attn.hook_v_input": ["hook_v_input"],
  "ln1_post.hook_out": ["hook_attn_out"],
  "mlp.hook_out": ["hook_mlp_out"],
  "ln2_post.hook_out": ["hook_mlp_out"],
  "attn.q.hook_out": ["attn.hook_q"],
  "attn.k.hook_out": ["attn.hook_k"],
  "attn.v.hook_out": ["attn.hook_v"],
  "attn.q_norm.hook_out": ["attn.hook_q_normed"],
  "attn.k_norm.hook_out": ["attn.hook_k_normed"],
  // Quantised matrices have `hook_in` and `hook_out` as sites of their own, which then win over these.
  "attn.o.hook_in": ["attn.hook_z"],
  "attn.o.hook_out": ["hook_attn_out"],
  "mlp.gate.hook_out": ["mlp.hook_pre"],
  // In a gated MLP the "in" layer is the up-projection, which the classic names call pre_linear.
  "mlp.in.hook_out": ["mlp.hook_pre_linear", "mlp.hook_pre"],
  "mlp.out.hook_in": ["mlp.hook_post"],
  "mlp.out.hook_out": ["hook_mlp_out"],
};

const GLOBAL_ALIASES: Readonly<Record<string, string>> = {
  "embed.hook_in": "hook_tokens",
  "embed.hook_out": "hook_embed",
  "pos_embed.hook_out": "hook_pos_embed",
  "ln_final.hook_out": "ln_final.hook_normalized",
  hook_unembed: "unembed.hook_out",
};

const BLOCK = /^blocks\.(\d+)\.(.+)$/;

/** The canonical name behind a version 4 alias, given which names the model has; undefined when it is no alias of one. */
export function resolveAlias(name: string, has: (name: string) => boolean): string | undefined {
  const global = GLOBAL_ALIASES[name];
  if (global !== undefined) return has(global) ? global : undefined;
  const block = BLOCK.exec(name);
  if (!block) return undefined;
  const candidates = BLOCK_ALIASES[block[2] as string] ?? [];
  return candidates.map((c) => `blocks.${block[1]}.${c}`).find(has);
}

const LAYER_TYPES: Readonly<Record<string, string>> = { a: "attn", attention: "attn", m: "mlp", b: "", block: "", blocks: "" };

const ACT_NAMES: Readonly<Record<string, string>> = {
  attn: "pattern",
  attn_logits: "attn_scores",
  key: "k",
  query: "q",
  value: "v",
  mlp_pre: "pre",
  mlp_mid: "mid",
  mlp_post: "post",
};

const IN_ATTN = new Set(["k", "v", "q", "z", "rot_k", "rot_q", "q_normed", "k_normed", "result", "pattern", "attn_scores"]);
const IN_MLP = new Set(["pre", "post", "mid", "pre_linear"]);
const IN_NORM = new Set(["scale", "normalized"]);

/**
 * Full name of an activation from its shorthand, as TransformerLens's `get_act_name`: `("embed")`, `("k", 6, "a")`, `("resid_pre", 2)`,
 * `("scale", 4, "ln1")`, `("normalized")` (the final norm), and in one string `"k6"`, `"pre5"`, `"scale4ln1"`.
 *
 * @param name - Short name, or a full one (returned as it is).
 * @param layer - Block number; leave out for activations outside of blocks.
 * @param layerType - `a`/`attn`, `m`/`mlp`, `b` (block), `ln1`, `ln2`; found from the name when left out.
 */
export function getActName(name: string, layer?: number, layerType?: string): string {
  if (name.includes(".") || name.startsWith("hook_")) return name;
  const packed = layer === undefined ? /^([a-z_]+)(\d+)([a-z]?.*)$/.exec(name) : null;
  if (packed) return getActName(packed[1] as string, Number(packed[2]), packed[3] || layerType);
  const act = ACT_NAMES[name] ?? name;
  if (layer === undefined) return IN_NORM.has(act) ? `ln_final.hook_${act}` : `hook_${act}`;
  const inside = layerTypeOf(act, layerType);
  return `blocks.${layer}.${inside ? `${inside}.` : ""}hook_${act}`;
}

/** The module inside a block that an activation belongs to; empty for the block itself. */
function layerTypeOf(act: string, given: string | undefined): string {
  if (given !== undefined && given !== "") return LAYER_TYPES[given] ?? given;
  if (IN_ATTN.has(act)) return "attn";
  return IN_MLP.has(act) ? "mlp" : "";
}
