/** Parts of activations: what senders, receivers and alignments are made of. */
import { type ActivationCache, type Box, type Model, selectSites, type Tensor } from "tritlens";

/** Part of an activation. */
export interface Place {
  /** Name of the activation; aliases and shorthands work as in hooks. */
  readonly name: string;
  /** Which part of it; all of it when left out. */
  readonly at?: Box;
}

/** Short name of a place: `L3H4` for the output of a head, else `3.attn.hook_q head 4 pos 0-2`. */
export function placeLabel({ name, at = {} }: Place): string {
  const [, layer] = /^blocks\.(\d+)\.attn\.hook_(?:z|result)$/.exec(name) ?? [];
  const parts = Object.entries(at);
  if (layer !== undefined && parts.length === 1 && parts[0]?.[0] === "head" && typeof parts[0][1] === "number") return `L${layer}H${parts[0][1]}`;
  return [name.replace(/^blocks\./, ""), ...parts.map(([axis, i]) => `${axis} ${typeof i === "number" ? i : `${i[0]}-${i[1]}`}`)].join(" ");
}

/** The part of a whole activation that a box names. @throws E_NAME, E_RANGE. */
export function cutBox(tensor: Tensor, at: Box = {}): Tensor {
  return Object.entries(at).reduce((t, [axis, i]) => t.slice(axis, typeof i === "number" ? [i, i + 1] : i), tensor);
}

/** The outputs of all heads (`hook_z`), layer by layer. @throws E_NAME when the cache lacks one. */
export function headPlaces(model: Model, cache: ActivationCache): Place[][] {
  return Array.from({ length: model.layers }, (_, layer) => {
    const name = `blocks.${layer}.attn.hook_z`;
    const z = cache.get(name);
    return Array.from({ length: z.shape[z.axes.indexOf("head")] as number }, (_, head) => ({ name, at: { head } }));
  });
}

/** When a place fires, counted over all activations of the model. @throws E_NAME with the nearest names. */
export function firingOf(model: Model, { name }: Place): number {
  return selectSites(name, model.hookNames)[0] as number;
}
