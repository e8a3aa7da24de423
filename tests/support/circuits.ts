/** What the tests of circuits share: prompts, a small model, comparisons. */
import { type Core, Model, type Tensor, type TransformerOptions } from "tritlens";
import type { Circuit } from "tritlens/interp";

const BASE: TransformerOptions = { nLayers: 2, dModel: 16, dHead: 4, nHeads: 4, dMlp: 24, nCtx: 8, dVocab: 11 };

/** Prompts. */
export const CLEAN: number[][] = [
  [1, 5, 3, 7, 2],
  [4, 0, 9, 10, 6],
];
/** A corrupt prompt for each. */
export const CORRUPT: number[][] = [
  [2, 5, 8, 7, 1],
  [4, 3, 9, 0, 0],
];

/** A model whose biases are not zero, since those must stay when everything is ablated. */
export function modelOf(core: Core, change: Partial<TransformerOptions>, seed = 3): Model {
  const model = Model.fromConfig({ ...BASE, ...change }, { core, seed });
  for (const name of model.paramNames) {
    const { data } = model.readParam(name);
    if (/\.b_?\w*$/.test(name))
      model.writeParam(
        name,
        data.map((_, i) => Math.sin(i + name.length) / 4),
      );
  }
  return model;
}

/** Largest difference, relative to the largest entry. */
export function apart(a: Tensor, b: Tensor): number {
  const most = b.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  return a.data.reduce((m, x, i) => Math.max(m, Math.abs(x - (b.data[i] as number))), 0) / most;
}

/** Ids of a circuit's edges, sorted. */
export const ids = (circuit: Circuit): string[] => circuit.edges.map((e) => e.id).sort();
