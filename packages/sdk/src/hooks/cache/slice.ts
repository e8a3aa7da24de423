/** Parts of a cache. */
import { TritlensError } from "../../core/errors.ts";
import type { AxisIndex, Tensor } from "../../tensor/index.ts";
import { type NameFilter, selectSites } from "../select.ts";

/** What to keep. Names, layers, positions and examples that are left out are all kept. */
export interface CacheSlice {
  /** As in hooks; gradients stay with their activations. */
  readonly names?: NameFilter;
  /** A block, or blocks `[lo, hi)`; what lies outside of blocks is then left out. */
  readonly layer?: AxisIndex;
  /** A position (the axis disappears) or positions `[lo, hi)`: of queries, where there are queries and keys. */
  readonly pos?: AxisIndex;
  /** An example (the axis disappears) or examples `[lo, hi)`. */
  readonly batch?: AxisIndex;
}

/** The tensors that are left. @throws E_NAME for names that match nothing, E_RANGE. */
export function sliceTensors(tensors: ReadonlyMap<string, Tensor>, grad: string, { names, layer, pos, batch }: CacheSlice): Map<string, Tensor> {
  const bases = [...new Set([...tensors.keys()].map((name) => base(name, grad)))];
  const named = names === undefined ? bases : selectSites(names, bases, "cached activation").map((i) => bases[i] as string);
  const kept = new Set(layer === undefined ? named : inLayers(named, layer));
  return new Map([...tensors].filter(([name]) => kept.has(base(name, grad))).map(([name, t]) => [name, cut(cut(t, "batch", batch), "pos", pos)]));
}

const base = (name: string, grad: string): string => (name.endsWith(grad) ? name.slice(0, -grad.length) : name);

function cut(tensor: Tensor, axis: string, index: AxisIndex | undefined): Tensor {
  if (index === undefined) return tensor;
  const found = tensor.axes.includes(axis) ? axis : axis === "pos" && tensor.axes.includes("query") ? "query" : undefined;
  return found === undefined ? tensor : tensor.slice(found, index);
}

function inLayers(names: readonly string[], layer: AxisIndex): string[] {
  const of = (name: string): number => Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1);
  const count = 1 + Math.max(-1, ...names.map(of));
  const [lo, hi] = typeof layer === "number" ? [layer < 0 ? layer + count : layer, (layer < 0 ? layer + count : layer) + 1] : layer;
  if (!(Number.isInteger(lo) && Number.isInteger(hi) && lo >= 0 && lo < hi && hi <= count))
    throw new TritlensError("E_RANGE", "the cache has no such layers", { expected: `0 <= lo < hi <= ${count}`, found: `[${lo}, ${hi})` });
  return names.filter((name) => of(name) >= lo && of(name) < hi);
}

/** Tensors without their batch axis. @throws E_SHAPE when there are several examples. */
export function withoutBatch(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...tensors].map(([name, t]) => {
      const k = t.axes.indexOf("batch");
      if (k < 0) return [name, t];
      if (t.shape[k] !== 1)
        throw new TritlensError("E_SHAPE", `"${name}" has several examples`, {
          expected: "a batch of 1, or slice({ batch: i })",
          found: `${t.shape[k]}`,
        });
      return [name, t.reshape(t.shape.toSpliced(k, 1), t.axes.toSpliced(k, 1))];
    }),
  );
}
