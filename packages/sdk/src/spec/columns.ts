/** Widths of nodes, worked out without compiling. */
import type { NodeRef } from "./nodes.ts";
import type { Spec } from "./spec.ts";

/** Columns of a node's rows; those of scores and patterns depend on the sequence, and count as 0. */
export function columnsOf(spec: Spec, node: NodeRef): number {
  const at = spec.nodes[node];
  switch (at?.op) {
    case undefined:
    case "scores":
    case "softmax":
      return 0;
    case "embed":
    case "pos":
      return spec.params[at.w]?.shape[1] ?? 0;
    case "linear":
    case "acc":
      return spec.params[at.w]?.shape[0] ?? 0;
    case "norm_scale":
      return at.heads ?? 1;
    case "code_scale":
      return 1;
    case "mix": {
      const width = columnsOf(spec, at.in[1] as NodeRef);
      return (width / at.kvHeads) * at.heads;
    }
    default:
      return columnsOf(spec, at.in[0] as NodeRef);
  }
}
