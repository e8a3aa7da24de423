/** QK and OV circuits (Elhage et al. 2021): what a head compares, and what it copies from where it looks. */
import { type Model, mapTensor, selectAlong, stack, type Tensor, transpose } from "tritlens";
import { configOf, FactoredMatrix, requireChoice, requireIndex, weightIfAny } from "tritlens/interp";
import type { TransformerConfig } from "tritlens/models";

/** Options of {@link qkCircuit} and {@link ovCircuit}. */
export interface CircuitMatrixOptions {
  /** Layers in the result, in this order; all of them when left out. */
  readonly layers?: readonly number[];
  /**
   * `raw` (the default, as in TransformerLens without fold_ln): the matrices alone. `folded`: with the gains of all norms on the way (ln1, BitNet's sub-norm and norms of
   * linear layers, norms of queries and keys) and, for LayerNorm, the removal of the mean. Weights are f32 copies, so it works on packed matrices as well, where folding the
   * model itself does not.
   */
  readonly norms?: "raw" | "folded";
}

/**
 * `W_V W_O` of every head, [layer, head, d_model_in, d_model_out] of rank d_head: what is added to the residual stream where the head looks at x is `x OV`, up to the scales
 * of norms. With grouped values, each query head has the values of its group. OV circuits are those of Elhage et al. (2021).
 *
 * What a head writes in a run depends on where it looks and on all later norms: large entries are possibilities, not effects.
 *
 * @throws E_SPEC for a model of a bare Spec, E_RANGE for a layer that does not exist.
 */
export function ovCircuit(model: Model, { layers, norms = "raw" }: CircuitMatrixOptions = {}): FactoredMatrix {
  const config = configOf(model);
  requireChoice("form of the norms", norms, ["raw", "folded"]);
  const parts = layersOf(config, layers).map((layer) => {
    const at = `blocks.${layer}.attn.`;
    const V = spreadGroups(config, model.dequantize(`${at}W_V`));
    const O = model.dequantize(`${at}W_O`);
    if (norms === "raw") return [V, O] as const;
    const sub = [`${at}sub_norm.w`, `${at}o.norm.w`].map((name) => weightIfAny(model, name));
    return [reading(model, layer, "v", V), sub.reduce((w: Tensor, gain) => (gain ? rowsTimes(w, gain) : w), O)] as const;
  });
  return circuit(model, parts, ["d_model_in", "d_head"], ["d_head", "d_model_out"]);
}

/**
 * `W_Q W_K^T` of every head, [layer, head, d_model_query, d_model_key] of rank d_head: the score of query x and key y is `x QK y`, up to biases, the scale of attention and
 * the scales of norms. With rotary positions it is the score at distance 0, with grouped keys each query head has the keys of its group. QK circuits are those of Elhage et
 * al. (2021).
 *
 * @throws E_SPEC for a model of a bare Spec, E_RANGE for a layer that does not exist.
 */
export function qkCircuit(model: Model, { layers, norms = "raw" }: CircuitMatrixOptions = {}): FactoredMatrix {
  const config = configOf(model);
  requireChoice("form of the norms", norms, ["raw", "folded"]);
  const parts = layersOf(config, layers).map((layer) => {
    const at = `blocks.${layer}.attn.`;
    const raw = { q: model.dequantize(`${at}W_Q`), k: spreadGroups(config, model.dequantize(`${at}W_K`)) };
    const side = (short: "q" | "k"): Tensor => {
      if (norms === "raw") return raw[short];
      const gain = weightIfAny(model, `${at}${short}_norm.w`);
      const read = reading(model, layer, short, raw[short]);
      return gain ? mapTensor(read, (x, i) => x * gain.data[i % config.dHead]) : read;
    };
    return [side("q"), transpose(side("k"), ["head", "d_head", "d_model"])] as const;
  });
  return circuit(model, parts, ["d_model_query", "d_head"], ["d_head", "d_model_key"]);
}

function circuit(
  model: Model,
  parts: readonly (readonly [Tensor, Tensor])[],
  left: readonly [string, string],
  right: readonly [string, string],
): FactoredMatrix {
  const side = (k: 0 | 1, axes: readonly string[]): Tensor => {
    const all = stack(
      parts.map((pair) => pair[k]),
      "layer",
    );
    return all.reshape(all.shape, ["layer", "head", ...axes]);
  };
  return new FactoredMatrix(side(0, left), side(1, right), { core: model.core });
}

/** Keys or values [kv head, ...] once for each query head. */
function spreadGroups({ nHeads, nKeyValueHeads }: TransformerConfig, w: Tensor): Tensor {
  if (nHeads === nKeyValueHeads) return w;
  return selectAlong(
    w,
    "head",
    Array.from({ length: nHeads }, (_, h) => Math.floor((h * nKeyValueHeads) / nHeads)),
  );
}

/** W [head, d_model, d_head] with the gains (and the mean) of what lies between the residual stream and it. */
function reading(model: Model, layer: number, short: "q" | "k" | "v", w: Tensor): Tensor {
  const config = configOf(model);
  const gains = [`blocks.${layer}.ln1.w`, `blocks.${layer}.attn.${short}.norm.w`].map((name) => weightIfAny(model, name));
  const [, d, width] = w.shape as readonly [number, number, number];
  const folded = gains.reduce((x: Tensor, gain) => (gain ? mapTensor(x, (v, i) => v * gain.data[Math.floor(i / width) % d]) : x), w);
  return config.normalization.startsWith("LN") ? withoutMean(folded) : folded;
}

/** What is left of x W when the mean of x was taken off first. */
function withoutMean(w: Tensor): Tensor {
  const [, d, width] = w.shape as readonly [number, number, number];
  const out = w.data.slice();
  for (let at = 0; at < out.length; at += d * width)
    for (let j = 0; j < width; j++) {
      let mean = 0;
      for (let i = 0; i < d; i++) mean += out[at + i * width + j] / d;
      for (let i = 0; i < d; i++) out[at + i * width + j] -= mean;
    }
  return mapTensor(w, (_, i) => out[i]);
}

/** W_O [head, d_head, d_model] with a gain for each row. */
function rowsTimes(w: Tensor, gain: Tensor): Tensor {
  const width = w.shape.at(-1) as number;
  return mapTensor(w, (x, i) => x * gain.data[Math.floor(i / width)]);
}

function layersOf({ nLayers }: TransformerConfig, layers: readonly number[] | undefined): readonly number[] {
  for (const layer of layers ?? []) requireIndex("layer", layer, nLayers);
  return layers ?? Array.from({ length: nLayers }, (_, i) => i);
}
