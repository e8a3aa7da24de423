/** Names of the axes of a site, from its Spec and TransformerLens's conventions. */
import type { SiteSpec } from "../spec/index.ts";

/** Fixed axes by the last part of the hook's name. */
const FIXED: readonly (readonly [RegExp, readonly string[]])[] = [
  [/hook_(rot_)?[qkvz]$/, ["head", "d_head"]],
  [/hook_(attn_scores|pattern)$/, ["head"]],
  [/mlp\.hook_/, ["d_mlp"]],
  [/hook_scale$/, ["one"]],
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
