/** What the cache's verbs work with. */
import { TritlensError } from "../../core/errors.ts";
import { type AxisIndex, axisOf, stack, Tensor } from "../../tensor/index.ts";
import type { ModelParts } from "../virtual/part.ts";

/** The tensors of a cache, and the model that they came from. */
export interface CacheView {
  /** @throws E_NAME with the nearest names. */
  get(name: string): Tensor;
  /** Name of a core site. */
  nameOf(site: number): string;
  /** @throws E_MODE for a cache without a model, E_CLOSED when a weight is read after dispose. */
  parts(): ModelParts;
}

/** Position or positions `[lo, hi)`; a single one drops the axis. Negative ones count from the end. */
export type PosSlice = AxisIndex;

/** Part of the positions; tensors that have none stay as they are. */
export function takePos(tensor: Tensor, pos: PosSlice | undefined): Tensor {
  return pos === undefined || !tensor.axes.includes("pos") ? tensor : tensor.slice("pos", pos);
}

/** Block up to which something is taken: -1 and undefined mean all of them. @throws E_RANGE. */
export function layerOf(view: CacheView, layer: number | undefined): number {
  const { nLayers } = view.parts().config;
  if (layer === undefined || layer === -1) return nLayers;
  if (Number.isInteger(layer) && layer >= 0 && layer <= nLayers) return layer;
  throw new TritlensError("E_RANGE", "a cache has no such layer", { expected: `an integer in [0, ${nLayers}], or -1 for all`, found: String(layer) });
}

/** One block. @throws E_RANGE. */
export function blockOf(view: CacheView, layer: number): string {
  const { nLayers } = view.parts().config;
  const k = layer < 0 ? layer + nLayers : layer;
  if (Number.isInteger(k) && k >= 0 && k < nLayers) return `blocks.${k}.`;
  throw new TritlensError("E_RANGE", "a cache has no such layer", { expected: `an integer in [${-nLayers}, ${nLayers})`, found: String(layer) });
}

/** The residual stream into a block, or behind the last one. */
export function streamInto(view: CacheView, layer: number): Tensor {
  const { nLayers } = view.parts().config;
  return view.get(layer === nLayers ? `blocks.${nLayers - 1}.hook_resid_post` : `blocks.${layer}.hook_resid_pre`);
}

/** The entries of an axis, one after the other. */
export function entriesOf(tensor: Tensor, axis: string): Tensor[] {
  const k = axisOf(tensor, axis);
  return Array.from({ length: tensor.shape[k] as number }, (_, i) => tensor.slice(k, i));
}

/** Tensors as a stack of components; without any, an empty one with the axes of `like`. */
export function stackOf(components: readonly Tensor[], like: Tensor): Tensor {
  if (components.length > 0) return stack(components, "component");
  return Tensor.from(new Float32Array(0), [0, ...like.shape], ["component", ...like.axes]);
}
