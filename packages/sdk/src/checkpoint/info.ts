/** What a loaded model tells about where it came from. */
import type { CheckpointInfo } from "../hooks/index.ts";
import type { Fill } from "./fills.ts";
import type { OpenCheckpoint } from "./open.ts";

/** As what a filled parameter is kept in memory. */
export type KeptAs = (fill: Fill) => { readonly format: string; readonly bytes: number };

/** Describes a checkpoint from its headers. */
export function describeCheckpoint(checkpoint: OpenCheckpoint, fills: readonly Fill[], keptAs: KeptAs): CheckpointInfo {
  const weights = [...fills]
    .sort((a, b) => a.index - b.index)
    .map((fill) => ({
      param: fill.param.name,
      tensor: fill.tensor.name,
      type: fill.tensor.type,
      shape: fill.param.shape,
      ...keptAs(fill),
    }));
  const bytes = weights.reduce((n, w) => n + w.bytes, 0);
  const count = weights.reduce((n, w) => n + w.shape.reduce((a, b) => a * b, 1), 0);
  const { recipe, name, kind } = checkpoint;
  return { architecture: recipe.architecture, source: name, kind, weights, bytes, bitsPerWeight: (8 * bytes) / count };
}
