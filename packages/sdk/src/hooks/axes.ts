/** Names of the axes of a site, from its Spec and TransformerLens's conventions. */
import type { SiteSpec } from "../spec/index.ts";

/** Fixed axes by the last parts of the hook's name; the first that fits counts. */
const FIXED: readonly (readonly [RegExp, readonly string[]])[] = [
  [/hook_(in_)?scale$/, ["one"]],
  [/hook_((rot_)?[qkvz]|[qk]_normed)$/, ["head", "d_head"]],
  [/attn\.([qkv]\.hook_(acc|out)|o\.(hook_in(_codes)?|norm\.hook_normalized)|sub_norm\.hook_normalized)$/, ["head", "d_head"]],
  [/hook_(attn_scores|pattern)$/, ["head"]],
  [/(hook_(attn_in|[qkv]_input)|attn\.hook_result)$/, ["head", "d_model"]],
  [/mlp\.((gate|in)\.(hook_in(_codes)?|norm\.hook_normalized)|out\.hook_(acc|out))$/, ["d_model"]],
  [/mlp\./, ["d_mlp"]],
  [/unembed\.hook_out$/, ["d_vocab_out"]],
];

/** `[batch, pos, d_model]`, `[batch, pos, head, d_head]`, `[batch, head, query, key]` (scores and pattern), ... */
export function axesOf(site: SiteSpec): string[] {
  const positions = site.shape.filter((d) => d === "seq" || d === "keys").length > 1 ? ["query", "key"] : ["pos"];
  const fixed = [...(FIXED.find(([pattern]) => pattern.test(site.name))?.[1] ?? ["d_model"])];
  return site.shape.map((d, i) => {
    if (d === "batch") return "batch";
    return (d === "seq" || d === "keys" ? positions.shift() : fixed.shift()) ?? `axis${i}`;
  });
}
