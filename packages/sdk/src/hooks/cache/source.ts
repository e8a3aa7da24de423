/** The model behind a cache. */
import { Tensor } from "../../tensor/index.ts";
import { canonicalName } from "../select.ts";
import type { HookSpace } from "../space.ts";
import type { ModelParts } from "../virtual/part.ts";

/** What a cache needs of the model that it came from. */
export interface CacheSource {
  /** Its activations. */
  readonly space: HookSpace;
  /** Its configuration and weights; none for a model from a bare Spec. */
  readonly parts: ModelParts | undefined;
}

/** An activation that no node holds, from a captured one; undefined when it is none, or what it comes from was not captured. */
export function workOut({ space }: CacheSource, tensors: ReadonlyMap<string, Tensor>, name: string): Tensor | undefined {
  const virtual = space.virtual(canonicalName(name, (n) => space.virtual(n) !== undefined));
  const base = virtual && tensors.get(space.core[virtual.after] ?? "");
  if (!base) return undefined;
  // Axes that were cut away come back as ones of extent 1 for the working out.
  const missing = ["batch", "pos"].filter((axis) => !base.axes.includes(axis));
  const shape = [...(missing.includes("batch") ? [1] : []), ...base.shape];
  const axes = [...(missing.includes("batch") ? ["batch"] : []), ...base.axes];
  if (missing.includes("pos")) {
    shape.splice(1, 0, 1);
    axes.splice(1, 0, "pos");
  }
  const found = virtual.read(Tensor.from(base.data, shape, axes));
  return missing.reduce((t, axis) => t.slice(axis, 0), found);
}
